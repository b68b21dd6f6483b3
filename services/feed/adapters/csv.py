"""Files of one-minute candles and of funding, gzipped or plain CSV. Every row is checked before anything is played."""

import csv
import gzip
from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TextIO, cast

from services.feed.domain.bars import Bars
from services.feed.domain.funding import FundingHistory, FundingRate
from services.feed.domain.recorded import RecordedMarket, TooShort, recorded

CANDLES = "-1m.csv"
FUNDING = "-funding.csv"
CANDLE_COLUMNS = ["open_time", "open", "high", "low", "close", "volume"]
FUNDING_COLUMNS = ["funding_time", "funding_rate", "mark_price"]
MINUTE_MS = 60_000
DEFAULT_INTERVAL = timedelta(hours=8)
DAY = timedelta(days=1)
MAX_VALUE = 1e15


class DataError(Exception):
    """A file that cannot be played: one line with its name, the line and what is wrong."""


def open_replay(folder: Path, symbols: Sequence[str], start_day: int, history_days: int) -> RecordedMarket:
    """The market of `symbols`, all that there are when empty. Raises DataError.

    Files are `<symbol>-1m.csv[.gz]` and `<symbol>-funding.csv[.gz]`; a symbol without the latter pays no funding.
    """
    there = _symbols_in(folder)
    chosen = tuple(symbols) or there
    for symbol in chosen:
        if symbol not in there:
            raise DataError(f"{folder}: no candles of {symbol}; there are {', '.join(there)}")
    columns = {symbol: read_candles(_file(folder, symbol + CANDLES), symbol) for symbol in chosen}
    rates = {symbol: read_funding(_file(folder, symbol + FUNDING)) for symbol in chosen}
    try:
        return recorded(columns, rates, start_day, history_days)
    except TooShort as error:
        raise DataError(f"{folder}: {error}") from error


def read_candles(path: Path, symbol: str) -> Bars:
    """One minute a row, without gaps: open_time (ms, UTC), open, high, low, close (quote), volume (base)."""
    columns = tuple(array("d") for _ in range(5))
    first = previous = None
    for line, row in _rows(path, CANDLE_COLUMNS):
        opened, values = _time_ms(path, line, row[0]), _numbers(path, line, row[1:])
        _check_bar(path, line, values)
        if opened % MINUTE_MS:
            raise DataError(f"{path}:{line}: open_time {opened} is not a whole minute")
        if previous is not None and opened != previous + MINUTE_MS:
            raise DataError(f"{path}:{line}: expected the minute {previous + MINUTE_MS}, found {opened}")
        for column, value in zip(columns, values, strict=True):
            column.append(value)
        first, previous = first or opened, opened
    if first is None:
        raise DataError(f"{path}: no candles in it")
    return Bars(symbol, _utc(first), *columns)


def read_funding(path: Path) -> FundingHistory:
    """One payment a row: funding_time (ms, UTC), funding_rate (fraction per interval), mark_price (quote, or empty)."""
    if not path.exists():
        return FundingHistory()
    rows: list[tuple[datetime, float, float | None]] = []
    for line, row in _rows(path, FUNDING_COLUMNS):
        at = _time_ms(path, line, row[0])
        (rate,) = _numbers(path, line, row[1:2])
        mark = _numbers(path, line, row[2:])[0] if row[2] else None
        if abs(rate) > 1:
            raise DataError(f"{path}:{line}: funding_rate {rate:g} is beyond ±1; it is a fraction, not a percentage")
        if mark is not None and mark <= 0:
            raise DataError(f"{path}:{line}: mark_price {mark:g} is not above 0")
        when = _utc(at - at % MINUTE_MS)  # venues stamp some milliseconds after the boundary
        if rows and when <= rows[-1][0]:
            raise DataError(f"{path}:{line}: funding_time {at} is not after the one before")
        rows.append((when, rate, mark))
    return FundingHistory(tuple(_with_intervals(rows)))


def _with_intervals(rows: list[tuple[datetime, float, float | None]]) -> Iterator[FundingRate]:
    """The interval of a payment is the time since the one before; the first one's is that to the second.

    Between payments that are days apart some are missing: an interval is a day at most.
    """
    gaps = [min(after[0] - before[0], DAY) for before, after in pairwise(rows)]
    for n, row in enumerate(rows):
        interval = gaps[max(n - 1, 0)] if gaps else DEFAULT_INTERVAL
        following = row[0] + (gaps[n] if n < len(gaps) else interval)
        yield FundingRate(*row, interval, following if following != row[0] + interval else None)


def _symbols_in(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; set PERPETUA_DATA_DIR to the one with the candles")
    found = sorted({path.name.removesuffix(".gz").removesuffix(CANDLES) for path in folder.glob(f"*{CANDLES}*")})
    if not found:
        raise DataError(
            f"{folder}: no <symbol>{CANDLES}.gz in it; set PERPETUA_DATA_DIR to the folder with the candles"
        )
    return tuple(found)


def _file(folder: Path, name: str) -> Path:
    plain = folder / name
    return plain if plain.exists() else folder / f"{name}.gz"


def _rows(path: Path, header: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows with their line numbers, after the header was checked."""
    try:
        with _open(path) as lines:
            reader = csv.reader(lines)
            if (found := next(reader, [])) != header:
                raise DataError(f"{path}:1: expected the columns {','.join(header)}, found {','.join(found) or 'none'}")
            for row in reader:
                if len(row) != len(header):
                    raise DataError(f"{path}:{reader.line_num}: expected {len(header)} columns, found {len(row)}")
                yield reader.line_num, row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8", newline=""))
    return path.open(encoding="utf-8", newline="")


def _time_ms(path: Path, line: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise DataError(f"{path}:{line}: the time {text!r} is not a whole number of milliseconds") from None
    if not 0 < value < 1e14:
        raise DataError(f"{path}:{line}: the time {text} is not in milliseconds since 1970")
    return value


def _numbers(path: Path, line: int, texts: list[str]) -> list[float]:
    try:
        values = [float(text) for text in texts]
    except ValueError as error:
        raise DataError(f"{path}:{line}: {error}") from None
    if not all(isfinite(value) and abs(value) < MAX_VALUE for value in values):
        raise DataError(f"{path}:{line}: a value is not a finite number below {MAX_VALUE:g}")
    return values


def _check_bar(path: Path, line: int, values: list[float]) -> None:
    opened, high, low, closed, volume = values
    if low <= 0:
        raise DataError(f"{path}:{line}: the low {low:g} is not above 0")
    if not low <= min(opened, closed) <= max(opened, closed) <= high:
        raise DataError(f"{path}:{line}: low <= open, close <= high does not hold")
    if volume < 0:
        raise DataError(f"{path}:{line}: the volume {volume:g} is below 0")


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC)
