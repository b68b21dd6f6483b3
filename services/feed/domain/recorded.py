"""A market that was recorded: bars and funding from files, cut to the days that are to be played."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.feed.domain.bars import Bars, MinuteBar
from services.feed.domain.funding import FundingHistory, FundingRate

DAY = timedelta(days=1)


class TooShort(ValueError):
    """The data does not hold the days that are asked for."""


@dataclass(frozen=True, slots=True)
class RecordedMarket:
    """Satisfies `Market` over what every symbol has."""

    whole: Mapping[str, Bars]
    rates: Mapping[str, FundingHistory]
    begins: datetime
    starts: datetime
    ends: datetime
    source: str = "replay"
    series: str = "replay"

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.whole)

    def prepare(self, until: datetime) -> None:
        """Everything was read before."""

    def bars(self, symbol: str, start: datetime, end: datetime) -> list[MinuteBar]:
        return self.whole[symbol].between(max(start, self.begins), min(end, self.ends))

    def columns(self, symbol: str, start: datetime, end: datetime) -> Bars:
        return self.whole[symbol].cut(max(start, self.begins), min(end, self.ends))

    def funding(self, symbol: str, at: datetime) -> FundingRate | None:
        return self.rates[symbol].known(at)


def recorded(
    columns: Mapping[str, Bars], rates: Mapping[str, FundingHistory], start_day: int, history_days: int
) -> RecordedMarket:
    """The market from the start of day `start_day` (1 is the first day) on, with up to `history_days` days before it.

    Only the time that every symbol has counts. Raises TooShort where nothing of it is left.
    """
    first = max(bars.first for bars in columns.values())
    ends = min(bars.end for bars in columns.values())
    starts = first + (start_day - 1) * DAY
    if starts >= ends:
        days = max((ends - first) / DAY, 0.0)
        raise TooShort(f"PERPETUA_START_DAY is {start_day}, but all symbols together have {days:g} days of candles")
    begins = max(first, starts - history_days * DAY)
    return RecordedMarket(columns, rates, begins, starts, ends)
