"""A closed candle as the paper venue plays it where no ticks are known: the extreme that hurts comes first.

Nothing plays bars yet: this waits for the replay of months.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from libs.schemas.account import PositionSide
from libs.schemas.market import Candle
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import Turn
from services.executor.domain.paper import on_tick
from services.executor.domain.quote import Market, Quote

STEPS = 4


@dataclass(frozen=True, slots=True)
class BarTurn:
    """What a bar did. `decided`: had the extremes come in the other order, the account would be another one."""

    turn: Turn
    decided: bool


def on_bar(turn: Turn, candle: Candle, market: Market) -> BarTurn:
    """Play O → the extreme that hurts the open position → the other → C, with a quarter of the volume each.

    A flat account gets the low first in a bar that rose, as a market that turns once more would go. Marks are the
    bar's prices: where candles of the mark price are known, give those.
    """
    low_first = _low_first(turn.book, candle)
    after = _played(turn, candle, market, low_first=low_first)
    if len(after.changes) == len(turn.changes):  # every price was seen in the same state: their order says nothing
        return BarTurn(after, decided=False)
    other = _played(turn, candle, market, low_first=not low_first)
    return BarTurn(after, decided=_outcome(other.book) != _outcome(after.book))


def quotes(candle: Candle, *, low_first: bool) -> tuple[Quote, ...]:
    """The bar as four quotes, evenly over its time; their sizes add up to its volume."""
    extremes = (candle.low, candle.high) if low_first else (candle.high, candle.low)
    volume = Decimal(str(candle.volume))
    part = volume / STEPS
    span = candle.close_time - candle.open_time
    step, a_minute = span / STEPS, volume * 60 / Decimal(int(span.total_seconds()))
    return tuple(
        replace(
            _quote(candle, price, candle.open_time + n * step, volume - part * (STEPS - 1) if n == STEPS - 1 else part),
            minute_volume=a_minute,
        )
        for n, price in enumerate((candle.open, *extremes, candle.close))
    )


def _quote(candle: Candle, price: float, at: datetime, size: Decimal) -> Quote:
    exact = Decimal(str(price))
    return Quote(candle.symbol, exact, exact, None, None, at, _sequence(at), size=size)


def _sequence(at: datetime) -> int:
    """Bars have no place in a stream; their time orders them."""
    return int(at.timestamp() * 1_000)


def _low_first(book: AccountBook, candle: Candle) -> bool:
    holding = book.positions.get(candle.symbol)
    side: PositionSide | None = holding.position.side if holding else None
    return candle.close >= candle.open if side is None else side == "long"


def _played(turn: Turn, candle: Candle, market: Market, *, low_first: bool) -> Turn:
    for quote in quotes(candle, low_first=low_first):
        seen = replace(market, quotes={**market.quotes, candle.symbol: quote}, now=max(market.now, quote.at))
        turn = on_tick(turn, quote, seen)
    return turn


def _outcome(book: AccountBook) -> tuple[object, ...]:
    """What the order of extremes may decide: money, and what is open."""
    held = {s: (h.position.side, h.position.quantity, h.position.entry_price) for s, h in book.positions.items()}
    return book.wallet, held, frozenset((o.intent.leg, o.intent.symbol, o.left) for o in book.orders.values())
