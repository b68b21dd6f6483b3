"""A made-up market: seeded, correlated prices with funding, one day at a time.

The market is in a regime (a trend up or down, a range, high volatility) for some hours. A log return is
r = σ (d + f (β m + √(1 − β²) e)): drift d and factor f are the regime's, m is common to all, e is the symbol's own, and
the variances of both follow a GARCH(1, 1) of mean 1, so that calm and wild hours come in clusters. In a range prices
are drawn back to where it began; everywhere, weakly, to the listing's price, so that a market may run for ever. Now and
then a symbol falls silent for some minutes and then makes up for it. Randomness comes in as a value: the same seed
gives the same days.
"""

from array import array
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import exp, log, sqrt
from typing import Literal, Protocol

from services.feed.domain.bars import MINUTE, Bars
from services.feed.domain.funding import FundingRate

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
MINUTES_PER_DAY = 1_440
FUNDING_EVERY = timedelta(hours=8)
BASE_RATE = 1e-4
RATE_NOISE = 3e-5
PREMIUM = 1.5e-4  # how much a day's usual move within eight hours adds to the rate
MAX_RATE = 7.5e-4
REVERSION = 1 / (30 * MINUTES_PER_DAY)  # half of a deviation is gone after about three weeks
WICK = 0.5
ARCH, GARCH, MAX_VARIANCE = 0.08, 0.90, 12.0
SILENCE = 1 / (12 * 60)  # a minute's chance to begin one: two a day and symbol
SILENT_MINUTES = (2, 6)

Kind = Literal["up", "down", "range", "wild"]
_Row = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Regime:
    """Drift a minute in units of a minute's volatility, factor of volatility, pull to where it began, and how long it
    lasts, in minutes; `weight` is how often it comes."""

    drift: float
    factor: float
    pull: float
    minutes: tuple[int, int]
    weight: float


REGIMES: dict[Kind, Regime] = {
    "up": Regime(0.08, 0.8, 0.0, (180, 540), 3),
    "down": Regime(-0.08, 0.8, 0.0, (180, 540), 3),
    "range": Regime(0.0, 0.6, 1 / 45, (180, 480), 3),
    "wild": Regime(0.0, 1.8, 0.0, (60, 240), 2),
}


class Randomness(Protocol):
    def gauss(self, mu: float, sigma: float) -> float: ...
    def random(self) -> float: ...
    def randint(self, a: int, b: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol: price (quote) and its decimals, daily volatility, common factor, volume a minute (base).

    `later` was listed when markets were stored already: it draws its own numbers, and changes no price of the others.
    """

    symbol: str
    price: float
    decimals: int
    daily_volatility: float
    beta: float
    volume: float
    later: bool = False


LISTINGS = (
    Listing("BTCUSDT", 95_000.0, 1, 0.025, 0.90, 80.0),
    Listing("ETHUSDT", 3_400.0, 2, 0.035, 0.85, 1_500.0),
    Listing("SOLUSDT", 190.0, 3, 0.045, 0.80, 9_000.0),
    Listing("BNBUSDT", 690.0, 2, 0.028, 0.75, 500.0),
    Listing("XRPUSDT", 2.3, 4, 0.045, 0.70, 1_500_000.0),
    Listing("ADAUSDT", 0.95, 4, 0.045, 0.75, 900_000.0, later=True),
    Listing("AVAXUSDT", 38.0, 3, 0.048, 0.78, 25_000.0, later=True),
    Listing("LINKUSDT", 22.0, 3, 0.046, 0.75, 30_000.0, later=True),
    Listing("LTCUSDT", 105.0, 2, 0.036, 0.72, 4_000.0, later=True),
    Listing("DOTUSDT", 7.0, 3, 0.044, 0.76, 80_000.0, later=True),
)


@dataclass(frozen=True, slots=True)
class Day:
    """One day of every listing, its funding, and the regime of each of its minutes."""

    bars: Mapping[str, Bars]
    funding: Mapping[str, tuple[FundingRate, ...]]
    regimes: tuple[Kind, ...]


@dataclass(slots=True)
class Factor:
    """Shocks whose variance remembers the last ones."""

    variance: float = 1.0

    def draw(self, random: Randomness) -> float:
        shock = sqrt(self.variance) * random.gauss(0, 1)
        self.variance = min(MAX_VARIANCE, 1 - ARCH - GARCH + ARCH * shock**2 + GARCH * self.variance)
        return shock


@dataclass(slots=True)
class AssetWalk:
    """Where one symbol is: its price, where the regime began, and what it has not yet made up for while silent."""

    listing: Listing
    random: Randomness
    price: float
    anchor: float
    own: Factor = field(default_factory=Factor)
    silent: int = 0
    owed: float = 0.0


@dataclass(slots=True)
class DayStart:
    """What a day begins with; `day` moves it on. `random` is what all have in common."""

    assets: tuple[AssetWalk, ...]
    random: Randomness
    common: Factor = field(default_factory=Factor)
    kind: Kind = "range"
    left: int = 0


def begin(symbols: Collection[str], random: Randomness, own: Callable[[str], Randomness]) -> DayStart:
    """The market with the first listings and those of `symbols` that came later, which draw from `own`."""
    listings = [listing for listing in LISTINGS if not listing.later or listing.symbol in symbols]
    sources = [own(listing.symbol) if listing.later else random for listing in listings]
    pairs = zip(listings, sources, strict=True)
    return DayStart(
        tuple(AssetWalk(listing, source, listing.price, listing.price) for listing, source in pairs), random
    )


def day(start: datetime, state: DayStart) -> Day:
    """The day from `start` on. A symbol's numbers are the same whichever others are looked at."""
    rows: list[list[_Row]] = [[] for _ in state.assets]
    kinds: list[Kind] = []
    for n in range(MINUTES_PER_DAY):
        _turn(state)
        kinds.append(state.kind)
        common = state.common.draw(state.random)
        for asset, made in zip(state.assets, rows, strict=True):
            made.append(_minute(asset, REGIMES[state.kind], common, may_be_silent=n > 0))
    bars = {a.listing.symbol: _bars(a.listing.symbol, start, made) for a, made in zip(state.assets, rows, strict=True)}
    funding = {a.listing.symbol: _funding(bars[a.listing.symbol], a) for a in state.assets}
    return Day(bars, funding, tuple(kinds))


def _bars(symbol: str, start: datetime, rows: list[_Row]) -> Bars:
    return Bars(symbol, start, *(array("d", column) for column in zip(*rows, strict=True)))


def _turn(state: DayStart) -> None:
    """Another regime when this one has lasted its time."""
    random = state.random
    state.left -= 1
    if state.left > 0:
        return
    others = [kind for kind in REGIMES if kind != state.kind]
    point = random.random() * sum(REGIMES[kind].weight for kind in others)
    for kind in others:
        state.kind = kind
        point -= REGIMES[kind].weight
        if point < 0:
            break
    state.left = random.randint(*REGIMES[state.kind].minutes)
    for asset in state.assets:
        asset.anchor = asset.price


def _minute(asset: AssetWalk, regime: Regime, common: float, *, may_be_silent: bool) -> _Row:
    """Open, high, low, close and volume of one minute; it opens where the last one closed."""
    listing, random = asset.listing, asset.random
    usual = listing.daily_volatility / sqrt(MINUTES_PER_DAY)
    sigma = usual * regime.factor
    shock = listing.beta * common + sqrt(1 - listing.beta**2) * asset.own.draw(random)
    pull = REVERSION * log(listing.price / asset.price) + regime.pull * log(asset.anchor / asset.price)
    moved = pull + usual * regime.drift + sigma * shock
    up, down, traded = (abs(random.gauss(0, WICK * sigma)), abs(random.gauss(0, WICK * sigma)), random.gauss(0, 0.5))
    falls_silent, minutes = random.random() < SILENCE, random.randint(*SILENT_MINUTES)
    asset.silent = asset.silent - 1 if asset.silent else minutes if falls_silent else 0
    opened = asset.price
    if asset.silent and may_be_silent:
        asset.owed += moved
        return opened, opened, opened, opened, 0.0
    asset.silent = 0
    moved, asset.owed = moved + asset.owed, 0.0
    closed = _rounded(opened * exp(moved), listing)
    high = max(opened, closed, _rounded(max(opened, closed) * exp(up), listing))
    low = min(opened, closed, _rounded(min(opened, closed) * exp(-down), listing))
    asset.price = closed
    volume = listing.volume * regime.factor * exp(traded) * (1 + abs(moved) / sigma)
    return opened, high, low, closed, max(round(volume, 3), 0.001)


def _rounded(price: float, listing: Listing) -> float:
    return float(max(round(price, listing.decimals), 10.0**-listing.decimals))


def _funding(bars: Bars, asset: AssetWalk) -> tuple[FundingRate, ...]:
    """Longs pay more after a rise: what was paid for eight hours follows their move, and so do symbols each other."""
    every, rates = FUNDING_EVERY // MINUTE, []
    for n in range(0, MINUTES_PER_DAY, every):
        before = bars.open[max(0, n - every)]
        premium = PREMIUM * log(bars.open[n] / before) / asset.listing.daily_volatility
        rate = max(-MAX_RATE, min(MAX_RATE, BASE_RATE + premium + asset.random.gauss(0, RATE_NOISE)))
        rates.append(FundingRate(bars.first + n * MINUTE, round(rate, 8), bars.open[n], FUNDING_EVERY))
    return tuple(rates)
