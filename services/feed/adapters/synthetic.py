"""The made-up market, made as far as it is asked for: the only place of the feed that holds a random generator."""

from collections.abc import Sequence
from datetime import datetime
from random import Random

from services.feed.domain import synthetic
from services.feed.domain.bars import MINUTE, Bars, MinuteBar
from services.feed.domain.funding import FundingRate
from services.feed.domain.recorded import DAY

SPARE_DAYS = 2  # the day being played, and the one before it


class UnknownSymbol(ValueError):
    """A symbol that the synthetic market does not have."""


class SyntheticMarket:
    """Satisfies `Market`, without an end. Keeps the days of history and drops older ones."""

    source = "synthetic"
    ends = None

    def __init__(self, seed: int, symbols: Sequence[str], start_day: int, history_days: int) -> None:
        known = tuple(listing.symbol for listing in synthetic.LISTINGS)
        for symbol in symbols:
            if symbol not in known:
                raise UnknownSymbol(f"ASSETS names {symbol}; the synthetic market has {', '.join(known)}")
        self.symbols = tuple(symbols) or known
        self.series = f"synthetic:{seed}"
        self.starts = synthetic.EPOCH + (start_day - 1) * DAY
        self.begins = max(synthetic.EPOCH, self.starts - history_days * DAY)
        self._keep = history_days + SPARE_DAYS
        self._days: dict[datetime, synthetic.Day] = {}
        self._next = synthetic.EPOCH
        self._state = synthetic.begin(self.symbols, Random(seed), lambda symbol: Random(f"{seed}:{symbol}"))

    def bars(self, symbol: str, start: datetime, end: datetime) -> list[MinuteBar]:
        self.prepare(end)
        found: list[MinuteBar] = []
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        while midnight < end:
            if midnight >= self.begins and (day := self._days.get(midnight)) is not None:
                found += day.bars[symbol].between(start, end)
            midnight += DAY
        return found

    def columns(self, symbol: str, start: datetime, end: datetime) -> Bars:
        self.prepare(end)
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        day = self._days.get(midnight) if midnight >= self.begins else None
        return Bars(symbol, start, (), (), (), (), ()) if day is None else day.bars[symbol].cut(start, end)

    def funding(self, symbol: str, at: datetime) -> FundingRate | None:
        self.prepare(at + MINUTE)
        day = self._days.get(at.replace(hour=0, minute=0, second=0, microsecond=0))
        rates = () if day is None else day.funding[symbol]
        return next((rate for rate in reversed(rates) if rate.time <= at), None)

    def prepare(self, until: datetime) -> None:
        while self._next < until:
            self._days[self._next] = synthetic.day(self._next, self._state)
            self._next += DAY
            if len(self._days) > self._keep:
                self._days.pop(next(iter(self._days)))
