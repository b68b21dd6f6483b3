"""Small markets and the real files, for the feed's tests."""

from array import array
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.feed.domain.bars import Bars
from services.feed.domain.funding import FundingHistory, FundingRate
from services.feed.domain.recorded import RecordedMarket, recorded

MIDNIGHT = datetime(2025, 5, 5, tzinfo=UTC)
REAL = Path(__file__).parents[4] / "shared" / "data"


def bars(symbol: str, prices: list[float], first: datetime = MIDNIGHT) -> Bars:
    """Bars that close at `prices`, each opening where the last one closed."""
    opens = [prices[0], *prices[:-1]]
    columns = [
        opens,
        [max(a, b) * 1.001 for a, b in zip(opens, prices, strict=True)],
        [min(a, b) * 0.999 for a, b in zip(opens, prices, strict=True)],
        prices,
        [float(1 + n % 7) for n in range(len(prices))],
    ]
    return Bars(symbol, first, *(array("d", column) for column in columns))


def rate(hour: int, value: float = 0.0001) -> FundingRate:
    return FundingRate(MIDNIGHT + timedelta(hours=hour), value, 100.0, timedelta(hours=8))


def small_market(days: int = 2, start_day: int = 2, symbols: tuple[str, ...] = ("AAA", "BBB")) -> RecordedMarket:
    prices = [100 + (n * 37 % 101) / 10 for n in range(days * 1_440)]
    rates = FundingHistory(tuple(rate(hour) for hour in range(0, 24 * days, 8)))
    return recorded({s: bars(s, prices) for s in symbols}, dict.fromkeys(symbols, rates), start_day, 10)
