"""Small recorded markets for replays, and a watcher that keeps everything."""

from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import nan

import numpy as np

from cli.run.seed import read_accounts, read_strategies, read_venue
from libs.schemas.account import Account, AccountState
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from replay.deciding import End
from replay.engine import ReplayInput
from replay.policy import ReplayPolicy, TrendPolicy
from services.executor.domain.changes import Outgoing
from services.feed.domain.bars import MINUTE, Bars
from services.feed.domain.funding import FundingHistory, FundingRate
from services.feed.domain.recorded import RecordedMarket

BEGINS = datetime(2026, 3, 1, 20, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def bars(symbol: str, minutes: int, seed: int, *, gaps: bool = False, wild: float = 0.002) -> Bars:
    """A random walk; with `gaps` some minutes are missing and in some nothing happens."""
    rng = np.random.default_rng(seed)
    closes = (1_000 * np.exp(np.cumsum(rng.normal(0, wild, minutes)))).round(2).tolist()
    columns = tuple(array("d") for _ in range(5))
    before = 1_000.0
    for close, up, down, size in zip(closes, *rng.random((3, minutes)).tolist(), strict=True):
        row = (
            before,
            max(before, close) + round(up, 2),
            min(before, close) - round(down, 2),
            close,
            round(size * 9, 3),
        )
        if gaps and up < 0.04:
            row = (nan, nan, nan, nan, nan)
        elif gaps and up > 0.96:
            row = (before, before, before, before, 0.0)
        for column, value in zip(columns, row, strict=True):
            column.append(value)
        before = before if row[3] != row[3] else row[3]
    return Bars(symbol, BEGINS, *columns)


def market(minutes: int, warm_up: int, *, gaps: bool = False, wild: float = 0.002) -> RecordedMarket:
    whole = {s: bars(s, minutes, n, gaps=gaps, wild=wild) for n, s in enumerate(SYMBOLS)}
    hours, first = timedelta(hours=1), BEGINS + timedelta(hours=1)
    rates = tuple(FundingRate(first + n * hours, 0.0003, 1_000.0, hours) for n in range(minutes // 60))
    starts = BEGINS + warm_up * MINUTE
    return RecordedMarket(
        whole, dict.fromkeys(SYMBOLS, FundingHistory(rates)), BEGINS, starts, BEGINS + minutes * MINUTE
    )


def account(**changes: object) -> Account:
    known = next(each for each in read_accounts(symbols=SYMBOLS) if each.account_id == "scalping")
    return known.model_copy(update=changes)


def wanted(played: RecordedMarket, *accounts: Account, policy: ReplayPolicy | None = None) -> ReplayInput:
    return ReplayInput(played, accounts or (account(),), read_strategies(), read_venue(), policy or TrendPolicy())


@dataclass
class Kept:
    """All that a replay tells, as it would travel."""

    contexts: list[TradingContext] = field(default_factory=list)
    proposals: list[DecisionProposed] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    states: list[AccountState] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def context(self, context: TradingContext) -> None:
        self.contexts.append(context)

    def proposed(self, proposal: DecisionProposed) -> None:
        self.proposals.append(proposal)

    def ended(self, end: End) -> None:
        self.ends.append(end)

    def account(self, state: AccountState, events: tuple[Outgoing, ...]) -> None:
        self.states.append(state)
        self.events += [f"{event.subject} {event.body.model_dump_json()}" for event in events]
