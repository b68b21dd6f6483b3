"""The newest tick of each symbol, and which accounts a tick matters to."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from libs.risk.marks import mark_of
from libs.runtime.clock import Clock
from libs.schemas.market import FundingUpdate, MarketTick
from services.executor.domain.bands import NEVER_HIGH, NEVER_LOW, Band
from services.executor.domain.quote import Quote, quote_of
from services.executor.ports import MarketEvent

Bound = tuple[float, str]
Taker = Callable[[MarketEvent, int], None]
LAST = "\uffff"  # sorts after every account id
SKEW = timedelta(seconds=5)  # a quote further ahead of the market's clock is of a market that has begun anew


class Watch:
    """Bounds of one symbol, sorted: a tick inside all of them costs four comparisons, however many accounts wait."""

    __slots__ = ("bands", "mark_high", "mark_low", "price_high", "price_low")

    def __init__(self) -> None:
        self.bands: dict[str, Band] = {}
        self.mark_low: list[Bound] = []
        self.mark_high: list[Bound] = []
        self.price_low: list[Bound] = []
        self.price_high: list[Bound] = []

    def put(self, account: str, band: Band | None) -> None:
        old = self.bands.pop(account, None)
        if old is not None:
            for side, bound in self._sides(old):
                del side[bisect_left(side, (bound, account))]
        if band is not None:
            self.bands[account] = band
            for side, bound in self._sides(band):
                insort(side, (bound, account))

    def hits(self, price: float, mark: float) -> set[str]:
        """Accounts whose bounds the tick is at or beyond."""
        found: set[str] = set()
        if self.mark_low and self.mark_low[-1][0] >= mark:
            found.update(a for _, a in self.mark_low[bisect_left(self.mark_low, (mark, "")) :])
        if self.mark_high and self.mark_high[0][0] <= mark:
            found.update(a for _, a in self.mark_high[: bisect_right(self.mark_high, (mark, LAST))])
        if self.price_low and self.price_low[-1][0] >= price:
            found.update(a for _, a in self.price_low[bisect_left(self.price_low, (price, "")) :])
        if self.price_high and self.price_high[0][0] <= price:
            found.update(a for _, a in self.price_high[: bisect_right(self.price_high, (price, LAST))])
        return found

    def _sides(self, band: Band) -> list[tuple[list[Bound], float]]:
        sides = [
            (self.mark_low, band.mark_low, NEVER_LOW),
            (self.mark_high, band.mark_high, NEVER_HIGH),
            (self.price_low, band.price_low, NEVER_LOW),
            (self.price_high, band.price_high, NEVER_HIGH),
        ]
        return [(side, bound) for side, bound, never in sides if bound != never]


class Board:
    """Fed by the tick intake, in order; hands an event on to each account that it matters to, and never waits."""

    def __init__(self, clock: Clock, held: Callable[[], bool] = lambda: False) -> None:
        """`held`: in lockstep what events do waits until all of their moment are here."""
        self._clock = clock
        self.held = held
        self._last: dict[str, tuple[MarketTick, int]] = {}
        self._quotes: dict[str, Quote] = {}
        self._midnights: dict[str, Quote] = {}
        self._watches: dict[str, Watch] = {}
        self._symbols: dict[str, tuple[str, ...]] = {}
        self._waiting: dict[tuple[str, datetime], tuple[FundingUpdate, int]] = {}
        self._takers: dict[str, Taker] = {}
        self.sequence = 0

    def on_tick(self, tick: MarketTick, sequence: int) -> None:
        """Every tick can trigger; one that is older than the price of now does not become it."""
        if self._newer(tick):
            before = self._last.get(tick.symbol)
            if before is not None and _other_day(before[0], tick):
                self._midnights[tick.symbol] = quote_of(*before, self._clock.now())
            self._last[tick.symbol] = (tick, sequence)
        watch = self._watches.get(tick.symbol)
        if watch is not None:
            for account in watch.hits(tick.price, mark_of(tick)):
                self._takers[account](tick, sequence)
        self.sequence = sequence

    def _newer(self, tick: MarketTick) -> bool:
        last = self._last.get(tick.symbol)
        if last is None or tick.ts is None or last[0].ts is None or tick.ts >= last[0].ts:
            return True
        return last[0].ts > self._clock.now() + SKEW

    def on_funding(self, update: FundingUpdate, sequence: int) -> None:
        """Funding is paid at its boundary: what is announced ahead waits for it, and the last announcement counts."""
        self.sequence = max(self.sequence, sequence)
        if update.funding_time > self._clock.now():
            self._waiting[update.symbol, update.funding_time] = update, sequence
            return
        watch = self._watches.get(update.symbol)
        for account in tuple(watch.bands) if watch else ():
            self._takers[account](update, sequence)

    def pay_due(self) -> None:
        """Hand on the funding whose boundary has come."""
        waiting, self._waiting = self._waiting, {}
        for update, sequence in waiting.values():
            self.on_funding(update, sequence)

    def watch(self, account: str, bands: Mapping[str, Band], take: Taker) -> None:
        """Replace what an account waits for, and who takes it; `take` returns at once."""
        self._takers[account] = take
        self._watch(account, bands)

    def leave(self, account: str) -> None:
        """The account waits for nothing any more."""
        self._watch(account, {})
        self._takers.pop(account, None)

    def _watch(self, account: str, bands: Mapping[str, Band]) -> None:
        for symbol in self._symbols.pop(account, ()):
            if symbol not in bands:
                self._watches[symbol].put(account, None)
        for symbol, band in bands.items():
            self._watches.setdefault(symbol, Watch()).put(account, band)
        if bands:
            self._symbols[account] = tuple(bands)

    def quote(self, symbol: str) -> Quote | None:
        """The newest tick in decimals."""
        last = self._last.get(symbol)
        if last is None:
            return None
        tick, sequence = last
        quote = self._quotes.get(symbol)
        if quote is None or quote.sequence != sequence:
            quote = self._quotes[symbol] = quote_of(tick, sequence, self._clock.now())
        return quote

    def mark(self, symbol: str) -> Decimal | None:
        """The newest mark, where a tick was heard."""
        quote = self.quote(symbol)
        return None if quote is None else quote.mark

    def midnight(self, symbol: str) -> Quote | None:
        """The last tick of before the UTC day of the newest one, as far as it was heard."""
        return self._midnights.get(symbol)


def _other_day(before: MarketTick, tick: MarketTick) -> bool:
    return before.ts is not None and tick.ts is not None and before.ts.toordinal() != tick.ts.toordinal()
