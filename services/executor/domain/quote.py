"""The market of one symbol as the paper venue sees it: the newest tick in decimals, and the venue's rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from libs.perps.fees import BPS, impact
from libs.perps.filters import round_price
from libs.perps.tiers import Tier, build_tiers
from libs.risk.marks import mark_of
from libs.schemas.account import Leg, Side
from libs.schemas.market import MarketTick
from libs.schemas.venue import TriggerBy, VenueSymbol

MAX_QUOTE_AGE = timedelta(seconds=60)
MOST_SLIPPAGE = Decimal("0.5")  # a sell never fills below half the price, however thin the market


@dataclass(frozen=True, slots=True)
class Quote:
    """One tick. `mark` is its `mark_of`, `at` is market time.

    `size` is what traded in it (base units); None where the tick does not tell.
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

    `refuses` are legs whose orders it rejects: a fault that is set to see what then happens.
    """

    quotes: Mapping[str, Quote]
    rules: Mapping[str, SymbolRules]
    now: datetime
    refuses: frozenset[Leg] = frozenset()

    def mark(self, symbol: str) -> Decimal | None:
        quote = self.quotes.get(symbol)
        return quote.mark if quote else None

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
    )


def touch(quote: Quote, side: Side, filters: VenueSymbol) -> Decimal:
    """The price that a taker meets: ask or bid where the tick has them, else the price ± half the spread."""
    if side == "buy":
        return quote.ask or quote.price * (1 + filters.half_spread_bps / BPS)
    return quote.bid or quote.price * (1 - filters.half_spread_bps / BPS)


def taker_price(quote: Quote, side: Side, filters: VenueSymbol, quantity: Decimal) -> Decimal:
    """`touch` plus slippage that grows with the quantity against what traded, rounded to the tick against the taker."""
    bps = filters.slippage_bps + impact(quantity, quote.size, filters.impact_bps)
    slip = min(bps / BPS, MOST_SLIPPAGE)
    price = touch(quote, side, filters) * (1 + slip if side == "buy" else 1 - slip)
    return round_price(price, filters.tick_size, up=side == "buy")
