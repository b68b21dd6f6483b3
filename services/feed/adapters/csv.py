"""Files of one-minute candles and of funding, gzipped or plain CSV. Every row is checked before anything is played."""

import logging
from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import nan
from pathlib import Path

from services.feed.adapters.table import DataError, number_of, rows, time_of
from services.feed.domain.bars import MINUTE, Bars
from services.feed.domain.funding import FundingHistory, FundingRate
from services.feed.domain.recorded import RecordedMarket, TooShort, recorded

__all__ = ["DataError", "open_replay", "read_candles", "read_funding"]

CANDLES = "-1m.csv"
FUNDING = "-funding.csv"
CANDLE_COLUMNS = ["open_time", "open", "high", "low", "close", "volume"]
CANDLE_ALIASES = dict.fromkeys(("time", "timestamp", "date", "datetime"), "open_time")
FUNDING_COLUMNS = ["funding_time", "funding_rate", "mark_price"]
FUNDING_ALIASES = {"calc_time": "funding_time", "last_funding_rate": "funding_rate"}
LONGEST_GAP = timedelta(days=31)
DEFAULT_INTERVAL = timedelta(hours=8)
DAY = timedelta(days=1)
log = logging.getLogger(__name__)


def open_replay(folder: Path, symbols: Sequence[str], start_day: int, history_days: int) -> RecordedMarket:
    """The market of `symbols`, all that there are when empty. Raises DataError.

    Files are `<symbol>-1m.csv[.gz]` and `<symbol>-funding.csv[.gz]`; a symbol without the latter pays no funding.
    """
    there = symbols_in(folder)
    chosen = tuple(symbols) or there
    for symbol in chosen:
        if symbol not in there:
            raise DataError(f"{folder}: no candles of {symbol}; there are {', '.join(there)}")
    columns = {symbol: read_candles(_file(folder, symbol + CANDLES), symbol) for symbol in chosen}
    for symbol, bars in columns.items():
        for begin, count in bars.gaps():
            log.warning("%s: %d minutes are missing from %s on; they are played as a gap", symbol, count, begin)
    rates = {symbol: read_funding(_file(folder, symbol + FUNDING)) for symbol in chosen}
    try:
        return recorded(columns, rates, start_day, history_days)
    except TooShort as error:
        raise DataError(f"{folder}: {error}") from error


def symbols_in(folder: Path) -> tuple[str, ...]:
    """Of which there are candles. Raises DataError."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; set PERPETUA_DATA_DIR to the one with the candles")
    found = sorted({path.name.removesuffix(".gz").removesuffix(CANDLES) for path in folder.glob(f"*{CANDLES}*")})
    if not found:
        raise DataError(
            f"{folder}: no <symbol>{CANDLES}.gz in it; set PERPETUA_DATA_DIR to the folder with the candles"
        )
    return tuple(found)


def read_symbol(folder: Path, symbol: str) -> tuple[Bars, FundingHistory]:
    """Candles and funding of a symbol. Raises DataError."""
    return read_candles(_file(folder, symbol + CANDLES), symbol), read_funding(_file(folder, symbol + FUNDING))


def read_candles(path: Path, symbol: str) -> Bars:
    """One minute a row, ascending: open_time (UTC), open, high, low, close (quote), volume (base). Minutes that are
    missing are a gap. Raises DataError."""
    columns = tuple(array("d") for _ in range(5))
    first = previous = None
    shortest: tuple[timedelta, int] | None = None
    for line, row in rows(path, CANDLE_COLUMNS, CANDLE_ALIASES):
        opened = time_of(path, line, "open_time", row[0])
        values = [number_of(path, line, *named) for named in zip(CANDLE_COLUMNS[1:], row[1:], strict=True)]
        _check_bar(path, line, values)
        if opened.second or opened.microsecond:
            raise DataError(f"{path}:{line}: open_time {opened} is not a whole minute")
        if previous is not None:
            if not MINUTE <= opened - previous <= LONGEST_GAP:
                wanted = f"the minute {previous + MINUTE} or one of the next {LONGEST_GAP.days} days"
                raise DataError(f"{path}:{line}: open_time: expected {wanted}, found {opened}")
            shortest = min(shortest or (opened - previous, line), (opened - previous, line))
            for column in columns:
                column.extend([nan] * ((opened - previous) // MINUTE - 1))
        for column, value in zip(columns, values, strict=True):
            column.append(value)
        first, previous = first or opened, opened
    if first is None:
        raise DataError(f"{path}: no candles in it")
    if shortest is not None and shortest[0] > MINUTE:
        length, line = shortest
        raise DataError(
            f"{path}:{line}: open_time: no two bars are less than {length} apart; expected bars of one minute"
        )
    return Bars(symbol, first, *columns)


def read_funding(path: Path) -> FundingHistory:
    """One payment a row: funding_time (UTC), funding_rate (fraction per interval), mark_price (quote, or empty)."""
    if not path.exists():
        return FundingHistory()
    payments: list[tuple[datetime, float, float | None]] = []
    for line, row in rows(path, FUNDING_COLUMNS, FUNDING_ALIASES, ("mark_price",)):
        at = time_of(path, line, "funding_time", row[0])
        rate = number_of(path, line, "funding_rate", row[1])
        mark = number_of(path, line, "mark_price", row[2]) if row[2] else None
        if abs(rate) > 1:
            raise DataError(f"{path}:{line}: funding_rate {rate:g} is beyond ±1; it is a fraction, not a percentage")
        if mark is not None and mark <= 0:
            raise DataError(f"{path}:{line}: mark_price {mark:g} is not above 0")
        when = at.replace(second=0, microsecond=0)  # venues stamp some milliseconds after the boundary
        if payments and when <= payments[-1][0]:
            raise DataError(f"{path}:{line}: funding_time {at} is not after the one before")
        payments.append((when, rate, mark))
    return FundingHistory(tuple(_with_intervals(payments)))


def _with_intervals(payments: list[tuple[datetime, float, float | None]]) -> Iterator[FundingRate]:
    """The interval of a payment is the time since the one before; the first one's is that to the second.

    Between payments that are days apart some are missing: an interval is a day at most.
    """
    gaps = [min(after[0] - before[0], DAY) for before, after in pairwise(payments)]
    for n, row in enumerate(payments):
        interval = gaps[max(n - 1, 0)] if gaps else DEFAULT_INTERVAL
        following = row[0] + (gaps[n] if n < len(gaps) else interval)
        yield FundingRate(*row, interval, following if following != row[0] + interval else None)


def _file(folder: Path, name: str) -> Path:
    plain = folder / name
    return plain if plain.exists() else folder / f"{name}.gz"


def _check_bar(path: Path, line: int, values: list[float]) -> None:
    opened, high, low, closed, volume = values
    if low <= 0:
        raise DataError(f"{path}:{line}: the low {low:g} is not above 0")
    if not low <= min(opened, closed) <= max(opened, closed) <= high:
        raise DataError(f"{path}:{line}: low <= open, close <= high does not hold")
    if volume < 0:
        raise DataError(f"{path}:{line}: the volume {volume:g} is below 0")
