"""The market that all accounts of a replay share: candles are folded once, and ticks are told where somebody looks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from libs.risk.marks import Mark, after_tick
from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import FundingUpdate
from libs.schemas.strategy import TradingStrategy
from replay.stepping import ReplayClock
from replay.tape import NEVER, CandleTable, Grid, Tape
from services.context.domain.assets import Studies
from services.context.domain.folded import FoldedMarket
from services.context.domain.market import CAPACITY, OTHER_CAPACITY, Bounds
from services.executor.application.board import Board
from services.feed.domain.recorded import RecordedMarket


@dataclass(slots=True)
class _Place:
    """How far the candles of a symbol and timeframe are folded."""

    symbol: str
    timeframe: Timeframe
    table: CandleTable
    next: int = 0


class ShownMarks:
    """The newest tick of each symbol, as the validator knows it."""

    def __init__(self) -> None:
        self._known: dict[str, Mark] = {}

    def get(self, symbol: str) -> Mark | None:
        return self._known.get(symbol)

    def put(self, symbol: str, mark: Mark | None) -> None:
        if mark is not None:
            self._known[symbol] = mark


class ReplayWorld:
    """`show` brings prices up to a moment, `fold` candles; both only go forward."""

    def __init__(self, market: RecordedMarket, strategies: Iterable[TradingStrategy], bounds: Bounds) -> None:
        self.grid = Grid.of(market)
        self.clock = ReplayClock(market.starts)
        self.tapes = {symbol: Tape(market, symbol) for symbol in market.symbols}
        self.state = FoldedMarket(bounds)
        self.state.use(tf for strategy in strategies for tf in strategy.timeframe_preference)
        self.state.reserve(market.symbols)
        self.studies = Studies(self.state)
        self.board = Board(self.clock)
        self.marks = ShownMarks()
        self.funding = _fundings(market, self.grid)
        self._shown: dict[str, int] = {}
        self._moment = self.grid.first - 1
        oldest_minute = int(market.starts.timestamp()) // 60 * 60 - CAPACITY["1m"] * 60
        self._places = [
            _Place(symbol, timeframe, tape.candles(timeframe, oldest_minute))
            for timeframe in sorted(self.state.timeframes, key=TIMEFRAME_SECONDS.__getitem__)
            for symbol, tape in self.tapes.items()
        ]
        self._next_close = 0
        self._begin(market.starts)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.tapes)

    def turn(self, moment: int) -> None:
        """Set the clock to a moment."""
        at = self.grid.at(moment)
        self.clock.set(at, at.timestamp())

    def sequence(self, symbol_number: int, moment: int) -> int:
        """The place of a tick in the log, had there been one."""
        return moment * len(self.tapes) + symbol_number + 1

    def show(self, moment: int) -> None:
        """Tell everybody the newest tick of each symbol at a moment."""
        if moment <= self._moment:
            return
        self._moment = moment
        for n, (symbol, tape) in enumerate(self.tapes.items()):
            newest = tape.newest(moment)
            if newest is None or newest < self.grid.first or self._shown.get(symbol) == newest:
                continue
            self._shown[symbol] = newest
            tick = tape.tick(newest)
            self.state.tell(tick)
            self.marks.put(symbol, after_tick(self.marks.get(symbol), tick))
            self.board.on_tick(tick, self.sequence(n, newest))
        self.state.pass_by(self.clock.now())

    def fold(self, at: datetime) -> None:
        """Fold the candles that closed by a time."""
        self._fold(int(at.timestamp()))

    def pay(self, update: FundingUpdate) -> None:
        """A funding update, as the feed tells it at its boundary."""
        self.state.on_funding(update, 0)

    def _fold(self, until: int) -> None:
        if until < self._next_close:
            return
        following = []
        for place in self._places:
            ends, n = place.table.ends, place.next
            if n < len(ends) and ends[n] <= until:
                to = int(ends.searchsorted(until, side="right"))
                times = ends[n:to] - place.table.step
                self.state.fold(place.symbol, place.timeframe, times, place.table.columns[:, n:to])
                place.next = n = to
            if n < len(ends):
                following.append(int(ends[n]))
        self._next_close = min(following, default=NEVER)

    def _begin(self, starts: datetime) -> None:
        """The history that a feed tells at its first start: so many candles of each timeframe."""
        until = int(starts.timestamp())
        for place in self._places:
            most = CAPACITY.get(place.timeframe, OTHER_CAPACITY)
            boundary = until // place.table.step * place.table.step
            place.next = int(place.table.ends.searchsorted(boundary - most * place.table.step, side="right"))
        for symbol in self.tapes:
            self.state.following.admit(symbol)
        self._fold(until)


def _fundings(market: RecordedMarket, grid: Grid) -> Mapping[int, tuple[FundingUpdate, ...]]:
    """What is paid, by the moment at which it is told: the whole minute of its time."""
    told: dict[int, list[FundingUpdate]] = {}
    for symbol in market.symbols:
        for rate in market.rates[symbol].rates:
            if market.starts < rate.time <= market.ends and rate.time.second == 0:
                told.setdefault(grid.from_on(rate.time), []).append(rate.update(symbol))
    return {moment: tuple(updates) for moment, updates in told.items()}
