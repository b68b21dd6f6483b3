"""What came of an account's own last decisions: verdicts, closed trades, and whether what was to prove them wrong came.

Facts only. Of a model's words nothing comes in here but the conditions that code has read in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from libs.schemas.account import AccountState, ClosedTrade, Condition
from libs.schemas.context import AccountContext, PositionSummary
from libs.schemas.inflight import MAX_VERDICTS
from libs.schemas.memory import MAX_REASONS, PastDecision, PastTrade, PastVerdict
from libs.schemas.reasons import Reason
from libs.schemas.verdict import AssetVerdict, DecisionRejected, DecisionValidated
from libs.strategies.invalidation import conditions
from services.context.domain.indicators import compute
from services.context.domain.market import MarketState
from services.context.domain.series import Floats, Series

PER_ASSET = 3
_SEVERITY = {"error": 0, "warning": 1, "info": 2}
_FIELDS = {
    "ema20": "ema_20", "ema50": "ema_50", "macd": "macd", "signal": "macd_signal", "hist": "macd_hist",
    "rsi14": "rsi_14", "bb_low": "bb_lower", "bb_mid": "bb_middle", "bb_up": "bb_upper", "atr14": "atr_14",
    "vol_ratio": "volume_ratio",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class InvalidationCheck:
    """Whether conditions came true in a time: the close of the first candle with one, and whether all are known."""

    at: datetime | None
    whole: bool


def remembered(kept: Sequence[PastVerdict], end: DecisionValidated | DecisionRejected) -> tuple[PastVerdict, ...]:
    """The verdicts with those of a decision's end, of each asset the newest. Holds are not told, nor dry runs."""
    at = end.validated_at if isinstance(end, DecisionValidated) else end.rejected_at
    new = [_verdict(end.decision_id, each, at) for each in end.verdicts if each.action != "hold"]
    if end.dry_run or not new or any(each.decision_id == end.decision_id for each in kept):
        return tuple(kept)
    counted: dict[str, int] = {}
    newest: list[PastVerdict] = []
    for each in reversed((*kept, *new)):
        counted[each.asset] = counted.get(each.asset, 0) + 1
        if counted[each.asset] <= PER_ASSET:
            newest.append(each)
    return tuple(reversed(newest[:MAX_VERDICTS]))


def of_account(
    state: AccountState, verdicts: Sequence[PastVerdict], symbols: Sequence[str], market: MarketState
) -> tuple[PastDecision, ...]:
    """The newest decisions about `symbols`, at most three an asset, oldest first."""
    found = [each for symbol in symbols for each in _of_asset(symbol, state, verdicts, market)]
    return tuple(sorted(found, key=lambda each: (each.at, each.asset)))


def positions_checked(
    section: AccountContext, state: AccountState, market: MarketState, now: datetime
) -> AccountContext:
    """The account with what became of each open position's invalidation."""
    stated = {position.symbol: conditions(position.invalidation) for position in state.positions}
    positions = tuple(_watched(held, stated.get(held.symbol, ()), market, now) for held in section.open_positions)
    return section.model_copy(update={"open_positions": positions})


def check(
    terms: Sequence[Condition], symbol: str, market: MarketState, since: datetime, until: datetime
) -> InvalidationCheck:
    """The candles that closed after `since` and by `until`."""
    found = [_first(term, market.series(symbol, term.timeframe), since, until) for term in terms]
    times = [each.at for each in found if each.at is not None]
    return InvalidationCheck(min(times, default=None), bool(found) and all(each.whole for each in found))


def _of_asset(
    symbol: str, state: AccountState, verdicts: Sequence[PastVerdict], market: MarketState
) -> list[PastDecision]:
    held = {position.decision_id for position in state.positions if position.symbol == symbol}
    judged = {each.decision_id: each for each in verdicts if each.asset == symbol}
    closed = {trade.decision_id: trade for trade in state.closed_trades if trade.symbol == symbol}
    made = [_closed(symbol, trade, judged.get(name), market) for name, trade in closed.items()]
    made += [
        PastDecision(asset=symbol, at=each.at, verdict=each, traded=name in held)
        for name, each in judged.items()
        if name not in closed
    ]
    return sorted(made, key=lambda each: each.at)[-PER_ASSET:]


def _closed(symbol: str, trade: ClosedTrade, verdict: PastVerdict | None, market: MarketState) -> PastDecision:
    became = check(trade.conditions, symbol, market, trade.opened_at, trade.closed_at)
    told = PastTrade(
        side=trade.side,
        result=trade.pnl,
        held_minutes=max(0.0, (trade.closed_at - trade.opened_at).total_seconds() / 60),
        closed_at=trade.closed_at,
        closed_by=trade.reason,
        conditions=trade.conditions,
        invalidated_at=became.at,
        checked=became.whole,
    )
    at = verdict.at if verdict else trade.opened_at
    return PastDecision(asset=symbol, at=at, verdict=verdict, traded=True, trade=told)


def _watched(
    held: PositionSummary, terms: tuple[Condition, ...], market: MarketState, now: datetime
) -> PositionSummary:
    became = check(terms, held.symbol, market, held.opened_at, now)
    return held.model_copy(update={"conditions": terms, "invalidated_at": became.at, "checked": became.whole})


def _first(term: Condition, series: Series | None, since: datetime, until: datetime) -> InvalidationCheck:
    n = series.contiguous(series.capacity) if series else 0
    if series is None or n == 0:
        return InvalidationCheck(None, whole=False)
    ends = series.times[-n:] + series.step
    window = (ends > since.timestamp()) & (ends <= until.timestamp())
    whole = bool(ends[0] - series.step <= since.timestamp() and ends[-1] + series.step > until.timestamp())
    left, right = _values(term, series, n)
    true = window & ((left < right) if term.side == "below" else (left > right))
    known = bool(np.isfinite(left[window]).all() and np.isfinite(right[window]).all())
    at = datetime.fromtimestamp(int(ends[true][0]), UTC) if true.any() else None
    return InvalidationCheck(at, whole and known)


def _values(term: Condition, series: Series, n: int) -> tuple[Floats, Floats]:
    close = series.close[-n:]
    columns: dict[str, NDArray[np.float64]] = {"close": close}
    if {term.figure, term.than} - {"close"} & set(_FIELDS):
        made = compute(series.high[-n:], series.low[-n:], close, series.volume[-n:])
        columns |= {figure: made[field] for figure, field in _FIELDS.items()}
    right = columns[term.than] if isinstance(term.than, str) else np.full(n, term.than)
    return columns[term.figure], right


def _verdict(decision_id: str, each: AssetVerdict, at: datetime) -> PastVerdict:
    worst = sorted(each.receipts, key=lambda receipt: _SEVERITY[receipt.severity])
    reasons = dict.fromkeys(
        receipt.reason for receipt in worst if receipt.severity != "info" and receipt.reason is not Reason.SIZED
    )
    return PastVerdict(
        decision_id=decision_id,
        asset=each.asset,
        action=each.action,
        verdict=each.verdict,
        reasons=tuple(reasons)[:MAX_REASONS],
        at=at,
    )
