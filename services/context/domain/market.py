"""The market as this worker knows it: ticks, unfinished and closed candles, funding and notes of every symbol."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import Candle, FundingUpdate, MarketNote, MarketTick
from services.context.domain import correlations
from services.context.domain.candles import Healthy, Track, epoch
from services.context.domain.closing import ended, lateness, repairs, traded, waits
from services.context.domain.doubts import Doubts
from services.context.domain.following import Following
from services.context.domain.minutes import MINUTE
from services.context.domain.notes import Notes
from services.context.domain.past import Past, reaches
from services.context.domain.series import Bar, Put, Series, Source

CAPACITY: dict[Timeframe, int] = {"1m": 1_500}
OTHER_CAPACITY = 300
ALWAYS: frozenset[Timeframe] = frozenset({"1m", correlations.TIMEFRAME})
# Two candles of one time say different things: of the same ticks, or because ticks never came here.
_DIFFERENCES = {Put.CORRECTED: "mismatch", Put.KEPT: "mismatch", Put.FILLED: "missed", Put.UNSEEN: "missed"}
_CHANGED = (Put.ADDED, Put.REPLACED, Put.CORRECTED, Put.FILLED)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds of market time, and how many symbols are followed at most."""

    max_out_of_order: float = 2.0
    close_grace: float = 2.0
    max_tick_age: float = 45.0
    max_symbols: int = 500


@dataclass(frozen=True, slots=True)
class Built:
    """A candle that was made here and may have to be published; `revised` by what came late."""

    symbol: str
    timeframe: Timeframe
    open_time: int
    revised: bool = False


class MarketState:
    """Folds ticks and candles in; every method is quick and none waits. Counts are read by the metrics.

    `since` is the epoch second from which all ticks are seen; None: from the first minute that begins after the first
    tick. `live` is false while history is read.
    """

    def __init__(self, bounds: Bounds, since: int | None = 0) -> None:
        self.bounds = bounds
        self.live = False
        self.timeframes: frozenset[Timeframe] = ALWAYS
        self.counts: Counter[str] = Counter()
        self.differences: Counter[tuple[str, str]] = Counter()  # by symbol and kind, since this worker is live
        self.funding: dict[str, FundingUpdate] = {}
        self.following = Following(bounds.max_symbols)
        self._late: set[str] = set()  # configured after they had been left out
        self._since = since
        self._tracks: dict[str, Track] = {}
        self._past: dict[str, Past] = {}
        self._series: dict[tuple[str, Timeframe], Series] = {}
        self._notes = Notes()
        self.doubts = Doubts()
        self._built: list[Built] = []
        self._closed_until = 0
        self._healthy = Healthy(bounds.max_tick_age, self._heard)

    def use(self, timeframes: Iterable[Timeframe]) -> frozenset[Timeframe]:
        """Keep these timeframes as well; returns the new ones."""
        new = frozenset(timeframes) - self.timeframes
        self.timeframes |= new
        for symbol in [symbol for symbol, timeframe in self._series if timeframe == "1m"]:
            for timeframe in new:
                self._lengthen(symbol, timeframe)
        return new

    def reserve(self, symbols: Iterable[str]) -> frozenset[str]:
        """These are configured: they are followed whatever else is on the bus. Returns those whose candles are missing
        because they had been left out."""
        late = self.following.reserve(symbols)
        self._late |= late
        return late

    def read_from(self, since: int | None) -> None:
        """Ticks will be read anew; `since` as above."""
        self._since = since
        self._tracks.clear()
        self._past.clear()

    def track(self, symbol: str) -> Track | None:
        return self._tracks.get(symbol)

    def tracks(self) -> Iterable[Track]:
        return self._tracks.values()

    def missing(self, timeframe: Timeframe) -> int:
        """Candles that are missing between those of all symbols."""
        known = (series for (_, tf), series in self._series.items() if tf == timeframe)
        return sum(n for series in known for _, n in series.gaps(series.capacity))

    def series(self, symbol: str, timeframe: Timeframe) -> Series | None:
        return self._series.get((symbol, timeframe))

    def on_tick(self, tick: MarketTick, sequence: int) -> None:
        track = self._tracks.get(tick.symbol) or self._follow(tick)
        if track is not None and track.add(tick):
            self._keep(tick.symbol, track.close_by_ticks())

    def on_funding(self, update: FundingUpdate, sequence: int) -> None:
        known = self.funding.get(update.symbol)
        if not self.following.admit(update.symbol):
            self.counts["unfollowed"] += 1
        elif known is None or update.funding_time >= known.funding_time:
            self.funding[update.symbol] = update

    def on_note(self, note: MarketNote, sequence: int) -> None:
        if note.symbol is None or self.following.admit(note.symbol):
            self._notes.put(note)
        else:
            self.counts["unfollowed"] += 1

    def notes(self, symbol: str | None, now: datetime, at_most: int = 5) -> tuple[MarketNote, ...]:
        """The newest unexpired notes about a symbol (None: about the market), oldest first."""
        return tuple(self._notes.unexpired(symbol, now)[-at_most:])

    def on_candle(self, candle: Candle, source: Source) -> None:
        """Take a candle from the log: the feed's, or one that a context worker published."""
        step = TIMEFRAME_SECONDS[candle.timeframe]
        if candle.timeframe not in self.timeframes:
            return
        open_time = int(candle.open_time.timestamp())
        if open_time % step or candle.close_time.timestamp() != open_time + step:
            self.counts["misaligned"] += 1
            return
        if not self.following.admit(candle.symbol):
            self.counts["unfollowed"] += 1
            return
        figures = candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume
        self._put(candle.symbol, candle.timeframe, Bar(open_time, *figures, candle.trades), source)

    def go_live(self) -> None:
        """What was stored at the start is folded in: from here on differences from the feed's candles are told."""
        self.live = True
        self.doubts.go_live()

    def unclosed(self, now: datetime) -> bool:
        """Whether a minute ended `close_grace` ago, or a late symbol's that much later, that nobody closed yet."""
        self._measure(now)
        grace = self.bounds.close_grace
        return ended(now, grace) != self._closed_until or any(waits(t, now, grace) for t in self._tracks.values())

    def close_due(self, now: datetime) -> None:
        """Close by the clock what ended `close_grace` ago. Call it only when every stored tick has been folded in."""
        self._measure(now)
        self._closed_until = ended(now, self.bounds.close_grace)
        for symbol, track in self._tracks.items():
            track.clocked = until = ended(now, self.bounds.close_grace, track)
            if track.closing + MINUTE <= until:
                self._keep(symbol, track.close_by_clock(until, self.bounds.max_tick_age))
            if track.minutes.changed:
                self._keep(symbol, track.minutes.repaired(), Source.REPAIRED)
        for symbol, past in list(self._past.items()):
            if (bars := past.close_by_clock()) is not None:
                self._keep(symbol, bars)
                self._tracks[symbol].reach_back(past.begins)
                del self._past[symbol]

    def take_built(self) -> list[Built]:
        """Candles made here since the last call."""
        taken, self._built = self._built, []
        return taken

    def stale(self, symbol: str, now: datetime) -> bool:
        """Whether the newest tick is missing or too old."""
        track = self._tracks.get(symbol)
        return track is None or now.timestamp() - track.newest > self.bounds.max_tick_age

    def closed(self, symbol: str, timeframe: Timeframe, close_time: int) -> bool:
        """Whether the candle that ends at `close_time` (epoch seconds), or a later one, is there."""
        series = self._series.get((symbol, timeframe))
        newest = series.newest_close if series else None
        return newest is not None and newest >= close_time

    def passed(self, symbol: str, close_time: int) -> bool:
        """Whether every minute before `close_time` is closed: a candle that is not there then holds a gap."""
        track = self._tracks.get(symbol)
        return track is not None and track.closing >= close_time

    def newest_close(self, symbol: str, timeframe: Timeframe) -> int | None:
        """Close time (epoch seconds) of the newest closed candle."""
        series = self._series.get((symbol, timeframe))
        return series.newest_close if series else None

    def next_funding(self, symbol: str) -> datetime | None:
        """When funding is paid next: as the ticks say, else an interval after the last payment."""
        track, paid = self._tracks.get(symbol), self.funding.get(symbol)
        if track is not None and track.next_funding_time is not None:
            return track.next_funding_time
        return None if paid is None else paid.due_next

    def delay(self, symbol: str) -> float:
        """Seconds that the ticks of a symbol come late, where that is more than the grace; else 0."""
        return lateness(self._tracks.get(symbol), self.bounds.close_grace)

    def _measure(self, now: datetime) -> None:
        seconds, most = now.timestamp(), self.bounds.max_tick_age
        for track in self._tracks.values():
            track.delay.measure(track.applied, track.newest, seconds, most)

    def _follow(self, tick: MarketTick) -> Track | None:
        if not self.following.admit(tick.symbol):
            self.counts["unfollowed"] += 1
            return None
        whole = -int(-epoch(tick) // MINUTE) * MINUTE
        since = self._since = whole if self._since is None else self._since
        if tick.symbol in self._late:  # earlier ticks of it were not taken
            since = whole
        series = self._series.get((tick.symbol, "1m"))
        newest = series.at(int(series.times[-1])) if series else None
        resume = newest[0] if newest and newest[0].open_time + MINUTE >= since else None
        track = Track(tick, self.bounds.max_out_of_order, since, resume, self._take_late, self._healthy)
        self._tracks[tick.symbol] = track
        return track

    def _take_late(self, tick: MarketTick, ts: float) -> bool:
        """Past ticks whose minutes have no candle make candles as well."""
        track = self._tracks[tick.symbol]
        if not reaches(track, ts):
            return self._repair(track, tick, ts)
        past = self._past.get(tick.symbol)
        if past is None:
            series, minute = self._series.get((tick.symbol, "1m")), int(ts) // MINUTE * MINUTE
            if series is not None and series.at(minute) is not None:
                return False
            past = self._past[tick.symbol] = Past(tick, track)
        bars, taken = past.add(tick)
        self.counts["past"] += taken
        self._keep(tick.symbol, bars)
        return taken

    def _repair(self, track: Track, tick: MarketTick, ts: float) -> bool:
        """Fold a late tick into a closed minute of the last day, where nothing was heard in its place."""
        minute = int(ts) // MINUTE * MINUTE
        series = self._series.get((tick.symbol, "1m"))
        if not repairs(track, minute, series.at(minute) if series else None):
            return False
        key = tick.tick_id or hash((ts, tick.price, tick.size, tick.source))
        taken = track.minutes.take(minute, ts, tick.price, tick.size, tick.price_at is None, key)
        self.counts["repaired"] += taken
        return taken

    def _heard(self, source: str, minute: int) -> bool:
        """Whether a source said anything of any symbol in a minute."""
        return any(
            track.tick.source == source and (track.heard(minute) or traded(self._series.get((symbol, "1m")), minute))
            for symbol, track in self._tracks.items()
        )

    def _keep(self, symbol: str, bars: Iterable[Bar], source: Source = Source.BUILT) -> None:
        for bar in bars:
            self._put(symbol, "1m", bar, source)

    def _put(self, symbol: str, timeframe: Timeframe, bar: Bar, source: Source) -> None:
        series = self._series.get((symbol, timeframe))
        if series is None:
            made = Series(TIMEFRAME_SECONDS[timeframe], CAPACITY.get(timeframe, OTHER_CAPACITY))
            series = self._series[symbol, timeframe] = made
        done = series.put(bar, source)
        if self.live and (kind := _DIFFERENCES.get(done)):
            self.differences[symbol, kind] += 1
        revised = source is Source.REPAIRED
        if (revised and done in _CHANGED) or (done is Put.ADDED and source is Source.BUILT):
            self._built.append(Built(symbol, timeframe, bar.open_time, revised))
        if timeframe == "1m" and done in _CHANGED:
            self._extend(symbol, series, bar.open_time, source if revised else Source.BUILT)

    def _lengthen(self, symbol: str, timeframe: Timeframe) -> None:
        """Make every candle of a new timeframe that the minutes hold whole."""
        minutes, step = self._series[symbol, "1m"], TIMEFRAME_SECONDS[timeframe]
        for start in range(int(minutes.times[0]) // step * step, minutes.newest_close or 0, step):
            if (bar := minutes.merge(start, step)) is not None:
                self._put(symbol, timeframe, bar, Source.BUILT)

    def _extend(self, symbol: str, minutes: Series, open_time: int, source: Source) -> None:
        """Make the longer candles that end with, or hold, this minute."""
        newest = minutes.newest_close or 0
        for timeframe in self.timeframes:
            step = TIMEFRAME_SECONDS[timeframe]
            start = open_time // step * step
            if step > MINUTE and start + step <= newest and (bar := minutes.merge(start, step)) is not None:
                self._put(symbol, timeframe, bar, source)
