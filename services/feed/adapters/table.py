"""CSV tables as people have them: with or without a header, a BOM, more columns than are read, times in any unit."""

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import TextIO, cast

MAX_VALUE = 1e15
# By the number of digits that a time of this century has.
_UNITS = {10: ("s", 1_000_000), 13: ("ms", 1_000), 16: ("µs", 1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME_EXPECTED = "expected seconds, milliseconds or microseconds since 1970 or an ISO time with its offset"


class DataError(Exception):
    """A file that cannot be played: one line with its name, the line and what is wrong."""


def rows(
    path: Path, columns: Sequence[str], aliases: Mapping[str, str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, list[str]]]:
    """The wanted columns of each row with its line, in the order of `columns`; an optional one that is not there is
    empty. A file whose first row begins with a time has no header, and the columns in this order. Raises DataError."""
    try:
        with _open(path) as lines:
            reader = csv.reader(lines)
            first = next(reader, [])
            told = ",".join(first) or "none"
            if first and is_time(first[0]):
                width, places = len(first), {name: n for n, name in enumerate(columns) if n < len(first)}
            else:
                width, places = len(first), _places(first, aliases)
                first = []
            if any(name not in places and name not in optional for name in columns):
                raise DataError(f"{path}:1: expected the columns {','.join(columns)}, found {told}")
            if first:
                yield 1, _picked(first, columns, places)
            for row in reader:
                if len(row) != width:
                    raise DataError(f"{path}:{reader.line_num}: expected {width} columns, found {len(row)}")
                yield reader.line_num, _picked(row, columns, places)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def time_of(path: Path, line: int, column: str, text: str) -> datetime:
    """A time in whichever unit it is written. Raises DataError with the place and what is expected."""
    made = _time(text)
    if made is None:
        raise DataError(f"{path}:{line}: {column} {text!r} is no time: {TIME_EXPECTED}")
    return made


def is_time(text: str) -> bool:
    return _time(text) is not None


def number_of(path: Path, line: int, column: str, text: str) -> float:
    """A finite number. Raises DataError with the place."""
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{path}:{line}: {column} {text!r} is not a number") from None
    if not isfinite(value) or abs(value) >= MAX_VALUE:
        raise DataError(f"{path}:{line}: {column} {text!r} is not a finite number below {MAX_VALUE:g}")
    return value


def _time(text: str) -> datetime | None:
    digits = text.strip()
    if digits.isascii() and digits.isdigit():
        unit = _UNITS.get(len(digits))
        return None if unit is None else _EPOCH + timedelta(microseconds=int(digits) * unit[1])
    try:
        made = datetime.fromisoformat(digits)
    except ValueError:
        return None
    return None if made.tzinfo is None else made.astimezone(UTC)


def _places(header: Sequence[str], aliases: Mapping[str, str]) -> dict[str, int]:
    names = [name.strip().lower().replace(" ", "_") for name in header]
    return {aliases.get(name, name): n for n, name in enumerate(names)}


def _picked(row: Sequence[str], columns: Sequence[str], places: Mapping[str, int]) -> list[str]:
    return [row[places[name]] if name in places else "" for name in columns]


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")
