"""Which earlier decision answers a request without another one being made (the decision cache)."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.schemas.base import Name, NonNegative, Price, Symbol, Timeframe, Utc, Wire
from libs.schemas.context import DecisionRequest
from libs.schemas.decision import TradingDecision
from libs.schemas.inflight import Holder

ALL_HOLD_S = 600
WITH_ENTRIES_S = 180
OTHERWISE_S = 300
_ENTRIES = frozenset({"buy", "sell"})

NewestClose = Callable[[str, Timeframe], int | None]


class Kept(Wire):
    """A decision that may be used again until `until` (market time): what it is called, and what it was made from."""

    decision_id: Name
    taken_at: Utc
    account_version: NonNegative
    prices: dict[Symbol, Price]
    until: Utc


@dataclass(frozen=True, slots=True)
class Ground:
    """What a decision is made from, as far as it changes with time or configuration."""

    account: tuple[str, int, int]  # id, version of the configuration, version of the state
    strategy: tuple[str, int]
    model: str | None
    symbols: tuple[str, ...]
    candles: tuple[int | None, ...]
    experiments: tuple[str, ...] = ()


def newest_candles(
    symbols: Iterable[str], timeframes: Iterable[Timeframe], close: NewestClose
) -> tuple[int | None, ...]:
    """Close time of the newest closed candle of each symbol and timeframe."""
    frames = tuple(timeframes)
    return tuple(close(symbol, timeframe) for symbol in symbols for timeframe in frames)


def key_of(ground: Ground) -> str:
    """Equal for decisions that would be made from the same."""
    parts = [ground.account, ground.strategy, ground.model, ground.symbols, ground.candles, ground.experiments]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def reusable(request: DecisionRequest) -> bool:
    """Whether the request takes an older decision. Who asks for a dry run wants to see what would happen now."""
    return not request.force_refresh and not request.dry_run


def ttl(decision: TradingDecision) -> int:
    """Seconds of market time for which a decision may be used again."""
    actions = {asset.action for asset in decision.decisions}
    if actions == {"hold"}:
        return ALL_HOLD_S
    return WITH_ENTRIES_S if actions & _ENTRIES else OTHERWISE_S


def kept(holder: Holder, decision: TradingDecision) -> Kept:
    """What is remembered of a decision that was validated. Its age counts from its context."""
    return Kept(
        decision_id=holder.decision_id,
        taken_at=holder.taken_at,
        account_version=holder.account_version,
        prices=holder.prices,
        until=holder.taken_at + timedelta(seconds=ttl(decision)),
    )


def answers(found: Kept, request: DecisionRequest, prices: Mapping[str, float], now: datetime, drift: float) -> bool:
    """Whether an earlier decision of the same key answers a request: young enough, from facts that are as new as it
    asks for, and no price moved by more than `drift` (a fraction) since."""
    if not found.taken_at <= now < found.until or prices.keys() != found.prices.keys():
        return False
    if request.facts_since is not None and found.taken_at < request.facts_since:
        return False
    if found.account_version < (request.account_version or 0):
        return False
    return all(abs(price / found.prices[symbol] - 1) <= drift for symbol, price in prices.items())
