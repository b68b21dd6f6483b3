"""The summary of a run, made of its counts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cli.ask.counts import Counts
from cli.ask.money import RunMoney


@dataclass(frozen=True, slots=True)
class Summary:
    """What `--json` writes. `rss_mib` is that of the largest copy of a worker."""

    counts: Counts
    restarts: int
    gateway_url: str
    api_key_file: str
    servers: Mapping[str, Mapping[str, str]]
    workers: Mapping[str, Mapping[str, float]]
    market: str
    money: Mapping[str, RunMoney] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self.counts),
            "restarts": self.restarts,
            "gateway_url": self.gateway_url,
            "api_key_file": self.api_key_file,
            "servers": {name: dict(one) for name, one in self.servers.items()},
            "workers": {name: dict(one) for name, one in self.workers.items()},
            "market": self.market,
            "accounts": {name: one.as_json() for name, one in self.money.items()},
        }

    def lines(self, seconds: float) -> list[str]:
        """The summary as a person reads it."""
        c = self.counts
        return [
            f"{seconds:.0f} s on the {self.market} market: {c.ticks:,} ticks, {c.contexts:,} contexts, "
            f"{c.decisions:,} decisions",
            f"assets: {c.accepted:,} accepted, {c.denied:,} denied; {c.abstained:,} decisions abstained",
            f"{c.orders:,} orders, {c.fills:,} fills, {c.dead_letters:,} dead letters, {self.restarts:,} restarts",
            *(one.line(name) for name, one in self.money.items()),
        ]
