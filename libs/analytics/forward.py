"""What a decision's entries would have earned after an hour, four hours and a day of market time, whoever acted."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

HORIZONS: Mapping[str, timedelta] = {
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "24h": timedelta(hours=24),
}
SLACK = 12  # a candle may close up to a twelfth of the horizon before its end


@dataclass(frozen=True, slots=True)
class Leg:
    """An entry that was asked for: `sign` 1 for a buy and -1 for a sell, `price` when it was judged.

    `after` are the prices after each horizon as far as they were kept: the log of candles forgets them.
    """

    symbol: str
    sign: int
    price: float
    after: Mapping[timedelta, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Closes:
    """Closing prices of one symbol, of candles of any timeframes."""

    times: tuple[float, ...]
    prices: tuple[float, ...]

    @classmethod
    def of(cls, candles: Iterable[tuple[datetime, float]]) -> "Closes":
        """From (close time, close) in any order."""
        known = sorted({at.timestamp(): price for at, price in candles}.items())
        return cls(tuple(at for at, _ in known), tuple(price for _, price in known))

    def at(self, target: float, slack: float) -> float | None:
        """The last close up to `target`; None where the market has not come so far, or has a gap there."""
        n = bisect_right(self.times, target)
        if n == 0 or self.times[-1] < target or target - self.times[n - 1] > slack:
            return None
        return self.prices[n - 1]

    def next_after(self, target: float) -> float | None:
        """When the first close after `target` was."""
        n = bisect_right(self.times, target)
        return self.times[n] if n < len(self.times) else None


def leg_return(leg: Leg, at: datetime, horizon: timedelta, closes: Mapping[str, Closes]) -> float | None:
    """Percent, signed by the action: positive where the entry was right. Before fees."""
    after = leg.after.get(horizon)
    if after is None and (known := closes.get(leg.symbol)):
        after = known.at((at + horizon).timestamp(), slack_s(horizon))
    return None if after is None else signed_move(leg.sign, leg.price, after)


def signed_move(sign: int, price: float, after: float) -> float:
    """Percent of `price`."""
    return sign * (after / price - 1) * 100


def slack_s(horizon: timedelta) -> float:
    """How old the close may be that stands for the price at a horizon's end."""
    return horizon.total_seconds() / SLACK


def decision_return(
    legs: Sequence[Leg], assets: int, at: datetime, horizon: timedelta, closes: Mapping[str, Closes]
) -> float | None:
    """The mean over the `assets` ≥ 1 that were asked about, where no entry earns 0. None until every leg is known."""
    found = [leg_return(leg, at, horizon, closes) for leg in legs]
    if None in found:
        return None
    return sum(one for one in found if one is not None) / max(1, assets)
