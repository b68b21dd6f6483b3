"""Candles a second of a replay: targets over columns, the same on the venue's books, whole contexts of five assets."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import talib
from numpy.typing import NDArray

from cli.project import SHARED_DATA
from cli.run.seed import read_accounts, read_strategies, read_venue
from libs.schemas.account import AccountState
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from replay.arrays import Floats, Terms, trade
from replay.data import Stretch, read_market
from replay.deciding import End
from replay.engine import Replay, ReplayInput
from replay.policy import TrendPolicy
from replay.targets import CloseColumn, trade_on_books
from services.executor.domain.changes import Outgoing
from services.feed.domain.recorded import RecordedMarket

BARS = 100_000
GOALS = {"replay_array": 1_000_000, "replay_venue": 150_000, "replay_contexts": 20_000}
DATA = Path(os.environ.get("PERPETUA_DATA_DIR", SHARED_DATA))


class Unheard:
    def context(self, context: TradingContext) -> None: ...
    def proposed(self, proposal: DecisionProposed) -> None: ...
    def ended(self, end: End) -> None: ...
    def account(self, state: AccountState, events: tuple[Outgoing, ...]) -> None: ...


def run() -> list[dict[str, object]]:
    closes = _closes()
    positions = len(trade(closes, cross(closes), _terms()).entries)
    array = max(BARS / _seconds(lambda: trade(closes, cross(closes), _terms())) for _ in range(5))
    account = read_accounts()[0].model_copy(update={"initial_balance": Decimal(1_000_000)})
    filters = read_venue()[0].model_copy(update={"lot_size": Decimal("0.1"), "min_notional": Decimal(0)})
    bars = CloseColumn(filters.symbol, closes, datetime(2026, 1, 1, tzinfo=UTC))
    venue = max(
        BARS / _seconds(lambda: trade_on_books(bars, cross(closes), Decimal("0.1"), account, filters)) for _ in range(3)
    )
    rows = [
        _row("replay_array", array, f"EMA 20/50 on {BARS} bars, {positions} positions, TA-Lib's EMA included"),
        _row("replay_venue", venue, "the same on the executor's books, a market order at each change"),
    ]
    return [*rows, _contexts()]


def cross(closes: Floats) -> NDArray[np.int8]:
    held: NDArray[np.int8] = np.where(talib.EMA(closes, 20) > talib.EMA(closes, 50), 1, -1).astype(np.int8)
    held[:50] = 0
    return held


def _contexts() -> dict[str, object]:
    whole = read_market(DATA, (), Stretch())
    market = RecordedMarket(whole.whole, whole.rates, whole.begins, whole.starts, whole.starts + timedelta(hours=18))
    account = next(each for each in read_accounts() if each.account_id == "aggressive")
    replay = Replay(ReplayInput(market, [account], read_strategies(), read_venue(), TrendPolicy()), Unheard())
    seconds = _seconds(lambda: sum(1 for _ in replay.steps()))
    candles = (market.ends - market.starts) // timedelta(minutes=1) * len(market.symbols)
    return _row("replay_contexts", candles / seconds, "builtin/trend, a strategy of 5m on five assets, 18 h")


def _closes() -> Floats:
    closes: Floats = np.round(1_000 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.0008, BARS))), 2)
    return closes


def _terms() -> Terms:
    return Terms(Decimal("0.1"), Decimal("0.0004"), Decimal("0.01"), Decimal(1_000_000))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _row(name: str, value: float, reference: str) -> dict[str, object]:
    goal = GOALS[name]
    met = value >= goal
    return {"name": name, "value": round(value), "unit": "candles/s", "goal": goal, "met": met, "reference": reference}
