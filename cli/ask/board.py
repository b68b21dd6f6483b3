"""What the live view shows: plain values that the observer fills and the view draws."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from cli.ask.counts import Counts

KEPT_PRICES = 120
KEPT_DECISIONS = 60


@dataclass(frozen=True, slots=True)
class ServerRow:
    name: str
    version: str
    url: str
    source: str


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """`note` says why it is not ready, or how it ended last. `lag` is None for a worker without durables."""

    instance: str
    state: str
    restarts: int
    lag: int | None
    rss_mib: float | None
    note: str = ""


@dataclass(slots=True)
class PriceRow:
    """Last price of a symbol, the first of this run, and samples for the small chart, oldest first."""

    price: float
    first: float
    samples: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_PRICES))

    @property
    def change_pct(self) -> float:
        return (self.price / self.first - 1) * 100


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One asset of a decision, or a whole decision where nothing concerns one asset.

    `at` is market time; `times` counts decisions in a row that said the same (holds).
    """

    at: datetime
    account: str
    asset: str
    action: str
    verdict: str
    text: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class PositionRow:
    symbol: str
    side: str
    quantity: Decimal
    entry: Decimal
    mark: Decimal
    pnl: Decimal


@dataclass(frozen=True, slots=True)
class AccountRow:
    account: str
    strategy: str
    trading_state: str
    equity: Decimal
    start: Decimal
    positions: tuple[PositionRow, ...] = ()
    standing: str = ""
    """Since when, by whom and why it does not trade freely; empty where it does."""
    way_back: str = ""


@dataclass(slots=True)
class Screen:
    """Everything on the screen. `notice` is a line about something that is away, empty when all is well.

    `page` is an address that signs in to the page in the browser, once.
    """

    market: str
    gateway_url: str
    api_key_file: str
    speed: float
    servers: list[ServerRow] = field(default_factory=list)
    workers: list[WorkerRow] = field(default_factory=list)
    market_time: datetime | None = None
    paused: bool = False
    prices: dict[str, PriceRow] = field(default_factory=dict)
    decisions: deque[DecisionRow] = field(default_factory=lambda: deque(maxlen=KEPT_DECISIONS))
    accounts: list[AccountRow] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    restarts: int = 0
    elapsed_s: float = 0.0
    left_s: float | None = None
    notice: str = ""
    page: str = ""

    def decided(self, rows: Sequence[DecisionRow]) -> None:
        """Take in the rows of a decision. A hold takes the place of the account's hold before it: actions stay seen."""
        for row in rows:
            times = 1
            if row.verdict == "hold" and (before := self._newest(row.account)) and before.verdict == "hold":
                self.decisions.remove(before)
                times += before.times
            self.decisions.append(replace(row, times=times))

    def _newest(self, account: str) -> DecisionRow | None:
        return next((row for row in reversed(self.decisions) if row.account == account), None)


def decision_rows(subject: str, body: Mapping[str, Any]) -> list[DecisionRow]:
    """Rows of one terminal decision event: an asset each where the rules spoke, holds as one."""
    kind, account = subject.split(".")[1:3]
    if kind == "answered":
        return [DecisionRow(_time(body["answered_at"]), account, "", "", "answered", str(body.get("why", "")))]
    at = _time(body.get("validated_at") or body["rejected_at"])
    rows = [_asset_row(at, account, verdict) for verdict in body.get("verdicts", ()) if verdict["action"] != "hold"]
    if kind == "rejected" and not rows:
        reason = str(body.get("abstain_reason") or body["reason"])
        verdict = "abstained" if body["reason"] == "abstained" else "rejected"
        return [DecisionRow(at, account, "", "", verdict, _short(reason, str(body.get("detail", ""))))]
    held = [verdict["asset"] for verdict in body.get("verdicts", ()) if verdict["action"] == "hold"]
    if held and not rows:
        rows.append(DecisionRow(at, account, _listed(held), "hold", "hold", _rationale(body)))
    return rows


def decision_line(rows: list[DecisionRow]) -> str:
    """One line for one decision: `05-15 03:12:00 scalping: BTCUSDT buy accepted (500 USDT ×5); …`."""
    parts = []
    for row in rows:
        if row.verdict == "hold":
            parts.append(f"hold ({row.asset})")  # why stands in the record: most decisions are holds
            continue
        what = " ".join(filter(None, (row.asset, row.action if row.action != row.verdict else "", row.verdict)))
        parts.append(f"{what} ({row.text})" if row.text else what)
    return f"{rows[0].at:%m-%d %H:%M:%S} {rows[0].account}: {'; '.join(parts)}"


def _asset_row(at: datetime, account: str, verdict: Mapping[str, Any]) -> DecisionRow:
    receipts = [one for one in verdict.get("receipts", ()) if one["severity"] != "info"]
    wanted = [one for one in receipts if one["severity"] == "error"] if verdict["verdict"] == "denied" else receipts
    why = "; ".join(str(one["reason"]) for one in wanted[:2])
    final = verdict.get("final") or {}
    size = f"{Decimal(final['notional']):,.0f} USDT" if final.get("notional") else ""
    if size and final.get("leverage"):
        size += f" ×{Decimal(final['leverage']).normalize():f}"
    text = "  ".join(filter(None, (size, why)))
    return DecisionRow(at, account, verdict["asset"], verdict["action"], verdict["verdict"], text)


def _rationale(body: Mapping[str, Any]) -> str:
    return _short(str((body.get("decision") or {}).get("portfolio_rationale", "")))


def _listed(assets: list[str]) -> str:
    return assets[0] if len(assets) == 1 else f"{len(assets)} assets"


def _short(*parts: str) -> str:
    return " ".join(": ".join(filter(None, parts)).split())[:160]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
