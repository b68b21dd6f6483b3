"""The market of one symbol as the paper venue sees it: the newest tick in decimals, and the venue's rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from libs.perps.slippage import Depth, touched, worst_taker
from libs.perps.tiers import Tier, build_tiers
from libs.risk.marks import mark_of, minute_volume
from libs.schemas.account import Leg, Side
from libs.schemas.market import MarketTick
from libs.schemas.venue import TriggerBy, VenueSymbol

MAX_QUOTE_AGE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Quote:
    """One tick. `mark` is its `mark_of`, `at` is market time.

    Base units: `size` is what traded in what the tick tells of (a trade, a quarter of a bar): what rests can fill
    against it and nothing else. `minute_volume` is what trades in a minute, `bid_size` and `ask_size` what stands at
    the touch: a taker's slippage is reckoned against these. None where the tick does not tell.
    """

    symbol: str
    price: Decimal
    mark: Decimal
    bid: Decimal | None
    ask: Decimal | None
    at: datetime
    sequence: int
    index: Decimal | None = None
    size: Decimal | None = None
    minute_volume: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None

    def trigger(self, by: TriggerBy) -> Decimal:
        """The price that stops and targets look at."""
        if by == "last":
            return self.price
        return (self.index or self.mark) if by == "index" else self.mark


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """Filters, fees and built margin tiers of one symbol."""

    filters: VenueSymbol
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Market:
    """What the venue knows at `now` (market time): newest quotes and the rules, by symbol.

    `refuses` are legs whose orders it rejects: a fault that is set to see what then happens. `midnights` are the last
    quotes of before the present UTC day, by symbol.
    """

    quotes: Mapping[str, Quote]
    rules: Mapping[str, SymbolRules]
    now: datetime
    refuses: frozenset[Leg] = frozenset()
    midnights: Mapping[str, Quote] = field(default_factory=dict)

    def mark(self, symbol: str) -> Decimal | None:
        quote = self.quotes.get(symbol)
        return quote.mark if quote else None

    def mark_at(self, symbol: str, midnight: datetime) -> Decimal | None:
        """The last mark before a midnight; the newest one where nothing was heard since, or no older one is known."""
        newest, kept = self.quotes.get(symbol), self.midnights.get(symbol)
        before = newest is None or newest.at >= midnight
        return kept.mark if before and kept and kept.at < midnight else self.mark(symbol)

    def fresh(self, symbol: str) -> Quote | None:
        """The newest quote, unless it is older than 60 market seconds."""
        quote = self.quotes.get(symbol)
        return quote if quote and self.now - quote.at <= MAX_QUOTE_AGE else None


def rules_of(filters: VenueSymbol) -> SymbolRules:
    return SymbolRules(filters, build_tiers(filters.tiers))


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def quote_of(tick: MarketTick, sequence: int, at: datetime) -> Quote:
    """Floats become the decimals that they are written as; `at` stands in for a tick without a time."""
    return Quote(
        symbol=tick.symbol,
        price=Decimal(str(tick.price)),
        mark=Decimal(str(mark_of(tick))),
        bid=_decimal(tick.bid),
        ask=_decimal(tick.ask),
        at=tick.ts or at,
        sequence=sequence,
        index=_decimal(tick.index_price),
        size=_decimal(tick.size),
        minute_volume=_decimal(minute_volume(tick)),
        bid_size=_decimal(tick.bid_size),
        ask_size=_decimal(tick.ask_size),
    )


def touch(quote: Quote, side: Side, filters: VenueSymbol) -> Decimal:
    """The price that a taker meets: ask or bid where the tick has them, else the price ± half the spread."""
    return touched(depth_of(quote, side), quote.price, side, filters)


def depth_of(quote: Quote, side: Side) -> Depth:
    """The book that a taker of this side meets, as far as the tick shows one."""
    if side == "buy":
        return Depth(quote.ask, quote.ask_size, quote.minute_volume)
    return Depth(quote.bid, quote.bid_size, quote.minute_volume)


def taker_price(quote: Quote, side: Side, filters: VenueSymbol, quantity: Decimal) -> Decimal:
    """What a taker of `quantity` pays or gets: the same law by which the judge prices entries."""
    return worst_taker(depth_of(quote, side), quote.price, side, filters, quantity)
