"""Small markets and the real files, for the feed's tests."""

import gzip
from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from libs.schemas.market import Candle, FundingUpdate
from services.feed.domain.bars import Bars
from services.feed.domain.funding import FundingHistory, FundingRate
from services.feed.domain.recorded import RecordedMarket, recorded
from services.feed.domain.timeline import backlog, moments, resumed

MIDNIGHT = datetime(2025, 5, 5, tzinfo=UTC)
REAL = Path(__file__).parents[3] / "shared" / "data"


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


def short_market(hours: int = 6, history_days: int = 0) -> RecordedMarket:
    """Some hours to play, with whole days before them."""
    whole = small_market(days=history_days + 1, start_day=history_days + 1)
    return replace(whole, ends=whole.starts + timedelta(hours=hours))


@cache
def quarter_day() -> RecordedMarket:
    """Six hours to play, with three before them."""
    whole = small_market(days=1, start_day=1)
    starts = whole.begins + timedelta(hours=3)
    return replace(whole, starts=starts, ends=starts + timedelta(hours=6))


def everything(market: RecordedMarket) -> tuple[set[str], list[str]]:
    """Ids of all ticks, and of all other events in order of id, that one undisturbed run publishes."""
    fresh = resumed(market, None, {}, {}, {})
    events: list[Candle | FundingUpdate] = [*backlog(market, fresh)]
    ticks: set[str] = set()
    for moment in moments(market, fresh):
        ticks |= {tick.tick_id or "" for tick in moment.ticks}
        events += moment.events
    return ticks, names(events)


def names(events: list[Candle | FundingUpdate]) -> list[str]:
    return sorted(f"{type(event).__name__}:{event.message_id()}" for event in events)


def write_csv(market: RecordedMarket, folder: Path) -> Path:
    """The files that `market` may have been read from."""
    for symbol in market.symbols:
        bars = market.bars(symbol, market.begins, market.ends)
        rows = [f"{_ms(b.open_time)},{b.open!r},{b.high!r},{b.low!r},{b.close!r},{b.volume!r}" for b in bars]
        _write(folder / f"{symbol}-1m.csv.gz", "open_time,open,high,low,close,volume", rows)
        paid = [f"{_ms(r.time)},{r.rate!r},{r.mark_price!r}" for r in market.rates[symbol].rates]
        _write(folder / f"{symbol}-funding.csv.gz", "funding_time,funding_rate,mark_price", paid)
    return folder


def _write(path: Path, header: str, rows: list[str]) -> None:
    path.write_bytes(gzip.compress("\n".join([header, *rows]).encode()))


def _ms(at: datetime) -> int:
    return int(at.timestamp()) * 1_000
