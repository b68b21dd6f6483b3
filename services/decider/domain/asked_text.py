"""The head of what is new each time: which assets, why it is asked now, when again, and how long the answer counts."""

from datetime import UTC, datetime

from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.context import TradingContext
from services.decider.domain.figures import quoted, span

_WHY = {
    "price": "a price has moved",
    "position": "a position was opened, changed or closed",
    "funding": "funding is near",
    "api": "it was asked for over the API",
    "manual": "it was asked for by hand",
}


def asked(context: TradingContext) -> str:
    shortest = min(context.timeframes, key=TIMEFRAME_SECONDS.__getitem__)
    left = span((context.expires_at - context.timestamp).total_seconds() / 60, seconds=True)
    return (
        f"# Decide about: {', '.join(context.symbols)}\n"
        f"Now {context.timestamp:%Y-%m-%d %H:%M:%S} UTC. Asked because {_why(context)}. The answer counts for {left}. "
        f"You are asked again when the next {shortest} candle closes, at {_next(shortest, context.timestamp):%H:%M}, "
        "or earlier where a price or a position gives cause."
    )


def _why(context: TradingContext) -> str:
    trigger = context.trigger
    if trigger.kind == "interval":
        return f"a {min(context.timeframes, key=TIMEFRAME_SECONDS.__getitem__)} candle has closed"
    why = _WHY[trigger.kind]
    return f"{why} ({quoted(trigger.detail)})" if trigger.detail else why


def _next(timeframe: Timeframe, now: datetime) -> datetime:
    step = TIMEFRAME_SECONDS[timeframe]
    return datetime.fromtimestamp((int(now.timestamp()) // step + 1) * step, UTC)
