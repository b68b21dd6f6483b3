"""What is wrong with an asset of a context: whether it can be decided on, and what of it is doubtful or late."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from libs.schemas.base import Timeframe
from libs.schemas.context import ContextError
from libs.schemas.reasons import ContextErrorCode
from services.context.domain.candles import Track
from services.context.domain.market import MarketState
from services.context.domain.triggers import boundary

# Market seconds until a closed candle is missed: at 60 times speed the worker needs some of them to close it.
CANDLE_SLACK_S = 15.0


def beyond(symbol: str, wrong: ValidationError) -> ContextError:
    fields = ", ".join(sorted({str(error["loc"][0]) for error in wrong.errors() if error["loc"]}))
    message = f"{fields}: beyond what a market can be; check the ticks and candles of this symbol"
    return ContextError(scope=symbol, code=ContextErrorCode.BEYOND_BOUNDS, message=message)


def unfit(
    market: MarketState, symbol: str, track: Track | None, interval: Timeframe, now: datetime
) -> ContextError | None:
    """Why an asset cannot be decided on, if so."""
    if track is None:
        known = any(market.series(symbol, tf) for tf in market.timeframes)
        code = ContextErrorCode.NO_TICK if known else ContextErrorCode.UNKNOWN_SYMBOL
        message = "no tick has come; check that the feed carries this symbol"
        return ContextError(scope=symbol, code=code, message=message)
    age = now.timestamp() - track.newest
    if age > market.bounds.max_tick_age:
        message = f"the newest tick is {age:.0f} s old, at most {market.bounds.max_tick_age:.0f} s are allowed"
        return ContextError(scope=symbol, code=ContextErrorCode.STALE, message=message)
    return next(iter(unclosed(market, symbol, (interval,), now)), None)


def doubtful(market: MarketState, symbol: str, now: datetime) -> list[ContextError]:
    return [
        ContextError(scope=symbol, code=ContextErrorCode.DOUBTFUL, message=doubt.message[:500])
        for doubt in market.doubts.recent(symbol, now)
    ]


def late(market: MarketState, symbol: str) -> list[ContextError]:
    late = market.delay(symbol)
    message = f"its ticks come {late:.0f} s late, and its candles close that much later"
    return [ContextError(scope=symbol, code=ContextErrorCode.LATE, message=message)] if late else []


def unclosed(market: MarketState, symbol: str, timeframes: Sequence[Timeframe], now: datetime) -> list[ContextError]:
    errors = []
    for timeframe in timeframes:
        wanted = boundary(timeframe, now - timedelta(seconds=CANDLE_SLACK_S + market.delay(symbol)))
        if not market.closed(symbol, timeframe, int(wanted.timestamp())):
            message = f"the candle that closed at {wanted.isoformat()} is missing"
            errors.append(
                ContextError(scope=f"{symbol} {timeframe}", code=ContextErrorCode.NO_CANDLES, message=message)
            )
    return errors
