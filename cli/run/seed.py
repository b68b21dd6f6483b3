"""Puts the configuration of `config/` into the KV bucket `config`: only what is missing, or changed in the file.

What the API changed since stays: a file is written again only when the file itself has changed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from cli.errors import CliError
from cli.files import read
from cli.project import CONFIG
from libs.configuration.configuration import By, ConfigStore, Configuration, Refused, reserved
from libs.configuration.kv_store import KvConfigStore
from libs.configuration.strategies import Strategies
from libs.configuration.templates import JinjaTemplates
from libs.runtime.bus import Bus
from libs.schemas.account import Account
from libs.schemas.base import Message
from libs.schemas.kinds import ACCOUNT, STRATEGY, VENUE, ConfigValue, kind_of
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol

WHO = "perpetua seed"


def read_strategies(folder: Path = CONFIG) -> list[TradingStrategy]:
    return read(STRATEGY, folder)


def read_venue(folder: Path = CONFIG) -> list[VenueSymbol]:
    return read(VENUE, folder)


def read_accounts(folder: Path = CONFIG, symbols: Sequence[str] | None = None) -> list[Account]:
    """The accounts, each with those of its symbols that are traded in this run."""
    if symbols is None:
        return read(ACCOUNT, folder)
    return read(ACCOUNT, folder, lambda row: {**row, "symbols": _traded(row, symbols)})


def _traded(account: Mapping[str, Any], symbols: Sequence[str]) -> list[str]:
    named = account.get("symbols")
    return ([one for one in named if one in symbols] if isinstance(named, list) else []) or list(symbols)


def read_all(symbols: Sequence[str], folder: Path = CONFIG) -> dict[str, ConfigValue]:
    """Everything to be seeded, by key."""
    strategies = read_strategies(folder)
    accounts = read_accounts(folder, symbols)
    for account in accounts:
        if account.strategy_id not in {one.strategy_id for one in strategies}:
            raise CliError(
                f"accounts.yaml: {account.account_id} wants the strategy {account.strategy_id!r}, which is not there",
                f"there are {', '.join(one.strategy_id for one in strategies)}",
            )
    values: list[ConfigValue] = [*read_venue(folder), *strategies, *accounts]
    return {kind_of(value).key(value): value for value in values}


def digest(body: Message) -> str:
    return hashlib.sha256(body.model_dump_json().encode()).hexdigest()


async def seed(bus: Bus, wanted: Mapping[str, ConfigValue], remembered: Path) -> list[str]:
    """Write what is missing or changed; returns the keys written. `remembered` keeps what the files said last time."""
    before = _remembered(remembered)
    configuration = Configuration(KvConfigStore(bus))
    written = [
        key
        for key, body in wanted.items()
        if await _seeded(_way(configuration, body), configuration.store, body, before.get(key))
    ]
    _remember(remembered, before | {key: digest(body) for key, body in wanted.items()})
    return written


class SeedWay(Protocol):
    """How values of a kind are written."""

    async def add(self, body: Any, by: By, /) -> object: ...

    async def replace(self, body: Any, by: By, /) -> object: ...


def _way(configuration: Configuration, body: ConfigValue) -> SeedWay:
    """Where versions are kept, they are kept by the strategies' own way, which tries templates as well."""
    return Strategies(configuration, JinjaTemplates()) if kind_of(body).versions_kept else configuration


async def _seeded(way: SeedWay, store: ConfigStore, body: ConfigValue, last_time: str | None) -> bool:
    """Whether it was written. A changed file is a new version above the stored one."""
    key = kind_of(body).key(body)
    stored = await store.latest(key)
    if stored is None or stored.value is None:
        if (kind := kind_of(body)) in (ACCOUNT, STRATEGY) and (said := reserved(key.partition(".")[2])):
            raise CliError(f"config/: {kind.family}: {said}", "correct the file")
        made = await way.add(body, By(WHO, "it is in the files of config/ and was not there"))
    elif last_time is None or last_time == digest(body):
        return False
    else:
        made = await way.replace(body, By(WHO, "its file in config/ has changed"))
    if isinstance(made, Refused):
        raise CliError(f"config/: {key}: {made.message}", "correct the file")
    return True


def _remembered(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(file: Path, digests: Mapping[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(digests, indent=1))
