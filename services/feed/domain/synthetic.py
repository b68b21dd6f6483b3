"""A made-up market: a seeded random walk of correlated prices with funding, one day at a time.

Log returns follow one common factor and one of their own, r = σ (β m + √(1 − β²) e), and are drawn weakly back to the
listing's price, so that a market may run for ever. Randomness comes in as a value: the same seed gives the same days.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, log, sqrt
from typing import Protocol

from services.feed.domain.bars import MINUTE, Bars
from services.feed.domain.funding import FundingRate

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
MINUTES_PER_DAY = 1_440
FUNDING_EVERY = timedelta(hours=8)
BASE_RATE = 1e-4
RATE_NOISE = 1e-4
MAX_RATE = 7.5e-4
REVERSION = 1 / (30 * MINUTES_PER_DAY)  # half of a deviation is gone after about three weeks
WICK = 0.5


class Randomness(Protocol):
    def gauss(self, mu: float, sigma: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol: price (quote) and its decimals, daily volatility, common factor, volume a minute (base)."""

    symbol: str
    price: float
    decimals: int
    daily_volatility: float
    beta: float
    volume: float


LISTINGS = (
    Listing("BTCUSDT", 95_000.0, 1, 0.025, 0.90, 80.0),
    Listing("ETHUSDT", 3_400.0, 2, 0.035, 0.85, 1_500.0),
    Listing("SOLUSDT", 190.0, 3, 0.045, 0.80, 9_000.0),
    Listing("BNBUSDT", 690.0, 2, 0.028, 0.75, 500.0),
    Listing("XRPUSDT", 2.3, 4, 0.045, 0.70, 1_500_000.0),
)


@dataclass(frozen=True, slots=True)
class Day:
    """One day of every listing, and its funding."""

    bars: Mapping[str, Bars]
    funding: Mapping[str, tuple[FundingRate, ...]]

    @property
    def closes(self) -> dict[str, float]:
        return {symbol: bars.close[-1] for symbol, bars in self.bars.items()}


class _Columns:
    """The bars of one symbol while they are made; each opens where the last one closed."""

    def __init__(self, listing: Listing, price: float) -> None:
        self.listing = listing
        self.price = price
        self.minute_volatility = listing.daily_volatility / sqrt(MINUTES_PER_DAY)
        self.rows: tuple[array[float], ...] = tuple(array("d") for _ in range(5))

    def _round(self, price: float) -> float:
        return float(max(round(price, self.listing.decimals), 10.0**-self.listing.decimals))

    def add(self, common: float, random: Randomness) -> None:
        listing, sigma = self.listing, self.minute_volatility
        own = random.gauss(0, 1)
        pull = REVERSION * log(listing.price / self.price)
        moved = sigma * (listing.beta * common + sqrt(1 - listing.beta**2) * own)
        opened, closed = self.price, self._round(self.price * exp(pull + moved))
        high = self._round(max(opened, closed) * exp(abs(random.gauss(0, WICK * sigma))))
        low = self._round(min(opened, closed) * exp(-abs(random.gauss(0, WICK * sigma))))
        volume = round(listing.volume * exp(random.gauss(0, 0.5)) * (1 + abs(moved) / sigma), 3)
        row = (opened, max(high, opened, closed), min(low, opened, closed), closed, volume)
        for column, value in zip(self.rows, row, strict=True):
            column.append(value)
        self.price = closed

    def bars(self, start: datetime) -> Bars:
        return Bars(self.listing.symbol, start, *self.rows)


def first_prices() -> dict[str, float]:
    return {listing.symbol: listing.price for listing in LISTINGS}


def day(start: datetime, prices: Mapping[str, float], random: Randomness) -> Day:
    """The day from `start` on, opening at `prices`. Draws the same numbers whichever symbols are looked at."""
    columns = [_Columns(listing, prices[listing.symbol]) for listing in LISTINGS]
    for _ in range(MINUTES_PER_DAY):
        common = random.gauss(0, 1)
        for column in columns:
            column.add(common, random)
    bars = {column.listing.symbol: column.bars(start) for column in columns}
    return Day(bars, {symbol: _funding(made, random) for symbol, made in bars.items()})


def _funding(bars: Bars, random: Randomness) -> tuple[FundingRate, ...]:
    every = FUNDING_EVERY // MINUTE
    return tuple(
        FundingRate(
            time=bars.first + n * MINUTE,
            rate=round(max(-MAX_RATE, min(MAX_RATE, random.gauss(BASE_RATE, RATE_NOISE))), 8),
            mark_price=bars.open[n],
            interval=FUNDING_EVERY,
        )
        for n in range(0, MINUTES_PER_DAY, every)
    )
