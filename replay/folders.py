"""Folders of candles: what is in one, and files of others made into one."""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from replay.foreign import ForeignTable, open_foreign, wanted_rows
from services.feed.adapters.csv import (
    CANDLE_COLUMNS,
    CANDLES,
    FUNDING,
    FUNDING_COLUMNS,
    DataError,
    read_candles,
    read_funding,
    read_symbol,
    symbols_in,
)


@dataclass(frozen=True, slots=True)
class SymbolData:
    """What a folder holds of a symbol. `gaps` are begins and counts of minutes that are missing."""

    symbol: str
    start: datetime
    end: datetime
    minutes: int
    gaps: Sequence[tuple[datetime, int]]
    fundings: int


@dataclass(frozen=True, slots=True)
class Converted:
    """A file that was written, of how many rows from how many files."""

    path: Path
    rows: int
    sources: int


def held(folder: Path) -> Iterator[SymbolData]:
    """Every row is read and checked. Raises DataError."""
    for symbol in symbols_in(folder):
        bars, funding = read_symbol(folder, symbol)
        gaps = list(bars.gaps())
        minutes = len(bars.open) - sum(count for _, count in gaps)
        yield SymbolData(symbol, bars.first, bars.end, minutes, gaps, len(funding.rates))


def convert(sources: Sequence[Path], out: Path, symbol: str | None, named: Mapping[str, str]) -> Iterator[Converted]:
    """One file of candles and one of funding for each symbol. Rows that several sources have must be equal. What is
    written is read again as a feed would, and stays only where that succeeds. Raises DataError."""
    tables: dict[tuple[str, bool], list[ForeignTable]] = {}
    for source in sources:
        table = open_foreign(source)
        tables.setdefault((symbol or table.symbol, table.funding), []).append(table)
    out.mkdir(parents=True, exist_ok=True)
    for (name, funding), parts in sorted(tables.items(), key=lambda entry: entry[0]):
        rows = _merged(parts, named)
        path = out / f"{name}{FUNDING if funding else CANDLES}.gz"
        _write(path, FUNDING_COLUMNS if funding else CANDLE_COLUMNS, rows, name)
        yield Converted(path, len(rows), len(parts))


def _merged(tables: Sequence[ForeignTable], named: Mapping[str, str]) -> Mapping[datetime, list[str]]:
    merged: dict[datetime, list[str]] = {}
    for table in tables:
        for at, row in wanted_rows(table, named):
            if merged.setdefault(at, row) != row:
                raise DataError(f"{table.path}: {at.isoformat()} is {','.join(row)}, elsewhere {','.join(merged[at])}")
    return dict(sorted(merged.items()))


def _write(path: Path, columns: Sequence[str], rows: Mapping[datetime, list[str]], symbol: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([int(at.timestamp() * 1_000), *row] for at, row in rows.items())
    made = path.with_name(f".new-{path.name}")
    made.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    try:
        read_funding(made) if columns is FUNDING_COLUMNS else read_candles(made, symbol)
    except DataError as error:
        made.unlink()
        raise DataError(str(error).replace(str(made), str(path))) from error
    made.replace(path)
