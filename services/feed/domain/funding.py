"""Funding rates of one symbol over time."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.schemas.market import FundingUpdate


@dataclass(frozen=True, slots=True)
class FundingRate:
    """Funding paid at `time`, as a fraction of notional per `interval`, the one that ended then.

    `next_at` is when it is paid next, where that is not as far away.
    """

    time: datetime
    rate: float
    mark_price: float | None
    interval: timedelta
    next_at: datetime | None = None

    @property
    def next_time(self) -> datetime:
        return self.next_at or self.time + self.interval

    @property
    def hours(self) -> float:
        return self.interval / timedelta(hours=1)

    def update(self, symbol: str) -> FundingUpdate:
        return FundingUpdate(
            symbol=symbol,
            funding_time=self.time,
            rate=self.rate,
            mark_price=self.mark_price,
            interval_hours=self.hours,
            next_funding_time=self.next_at,
        )


@dataclass(frozen=True, slots=True)
class FundingHistory:
    """Rates in order of time."""

    rates: tuple[FundingRate, ...] = ()

    def known(self, at: datetime) -> FundingRate | None:
        """The latest rate paid at or before `at`; later ones are not known yet."""
        n = bisect_right(self.rates, at, key=lambda rate: rate.time)
        return self.rates[n - 1] if n else None
