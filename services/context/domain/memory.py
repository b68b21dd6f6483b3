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
from libs.strategies.invalidation import conditions, groups
from services.context.domain.columns import CandleColumns, Columns

PER_ASSET = 3
_SEVERITY = {"error": 0, "warning": 1, "info": 2}


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
    state: AccountState, verdicts: Sequence[PastVerdict], symbols: Sequence[str], columns: Columns
) -> tuple[PastDecision, ...]:
    """The newest decisions about `symbols`, at most three an asset, oldest first."""
    found = [each for symbol in symbols for each in _of_asset(symbol, state, verdicts, columns)]
    return tuple(sorted(found, key=lambda each: (each.at, each.asset)))


def positions_checked(section: AccountContext, state: AccountState, columns: Columns, now: datetime) -> AccountContext:
    """The account with what became of each open position's invalidation."""
    stated = {position.symbol: conditions(position.invalidation) for position in state.positions}
    positions = tuple(_watched(held, stated.get(held.symbol, ()), columns, now) for held in section.open_positions)
    return section.model_copy(update={"open_positions": positions})


def check(
    terms: Sequence[Condition], symbol: str, columns: Columns, since: datetime, until: datetime
) -> InvalidationCheck:
    """The candles that closed after `since` and by `until`."""
    found = [_first(group, symbol, columns, since, until) for group in groups(terms)]
    times = [each.at for each in found if each.at is not None]
    return InvalidationCheck(min(times, default=None), bool(found) and all(each.whole for each in found))


def _of_asset(
    symbol: str, state: AccountState, verdicts: Sequence[PastVerdict], columns: Columns
) -> list[PastDecision]:
    held = {position.decision_id for position in state.positions if position.symbol == symbol}
    judged = {each.decision_id: each for each in verdicts if each.asset == symbol}
    closed = {trade.decision_id: trade for trade in state.closed_trades if trade.symbol == symbol}
    times = {name: trade.opened_at for name, trade in closed.items()} | {name: each.at for name, each in judged.items()}
    newest = sorted(times, key=lambda name: (times[name], name))[-PER_ASSET:]
    return [
        _closed(trade, times[name], judged.get(name), columns)
        if (trade := closed.get(name))
        else PastDecision(asset=symbol, at=times[name], verdict=judged[name], traded=name in held)
        for name in newest
    ]


def _closed(trade: ClosedTrade, at: datetime, verdict: PastVerdict | None, columns: Columns) -> PastDecision:
    became = check(trade.conditions, trade.symbol, columns, trade.opened_at, trade.closed_at)
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
    return PastDecision(asset=trade.symbol, at=at, verdict=verdict, traded=True, trade=told)


def _watched(held: PositionSummary, terms: tuple[Condition, ...], columns: Columns, now: datetime) -> PositionSummary:
    became = check(terms, held.symbol, columns, held.opened_at, now)
    return held.model_copy(update={"conditions": terms, "invalidated_at": became.at, "checked": became.whole})


def _first(
    group: Sequence[Condition], symbol: str, columns: Columns, since: datetime, until: datetime
) -> InvalidationCheck:
    """The first close in that time at which the newest candles of all terms say so; those of one term alone have closed
    in it too."""
    candles = [columns.of(symbol, term.timeframe) for term in group]
    known = [each for each in candles if each is not None]
    if len(known) < len(candles):
        return InvalidationCheck(None, whole=False)
    closes = [each.ends[_within(each, since, until)] for each in known]
    times = closes[0] if len(closes) == 1 else np.unique(np.concatenate(closes))
    every, whole = np.ones(len(times), dtype=bool), True
    for term, each in zip(group, known, strict=True):
        true, sure = _at(term, each, times)
        every &= true
        whole = whole and sure and _covers(each, since, until)
    return InvalidationCheck(datetime.fromtimestamp(int(times[every][0]), UTC) if every.any() else None, whole)


def _at(term: Condition, candles: CandleColumns, times: NDArray[np.int64]) -> tuple[NDArray[np.bool_], bool]:
    """What a term says at these times, by the newest candle of each, and whether all of that is known."""
    places = np.searchsorted(candles.ends, times, side="right") - 1
    left = candles.figures[term.figure][places]
    right = candles.figures[term.than][places] if isinstance(term.than, str) else np.full(len(left), term.than)
    true = ((left < right) if term.side == "below" else (left > right)) & (places >= 0)
    return true, bool(np.isfinite(left).all() and np.isfinite(right).all() and (places >= 0).all())


def _within(candles: CandleColumns, since: datetime, until: datetime) -> NDArray[np.bool_]:
    return (candles.ends > since.timestamp()) & (candles.ends <= until.timestamp())


def _covers(candles: CandleColumns, since: datetime, until: datetime) -> bool:
    first, last = candles.ends[0] - candles.step, candles.ends[-1] + candles.step
    return bool(first <= since.timestamp() and last > until.timestamp())


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
