"""Candles and funding as people have them: CSV plain, gzipped or zipped, freqtrade's JSON and feather, Parquet."""

import csv
import gzip
import importlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from services.feed.adapters.csv import CANDLE_ALIASES, CANDLE_COLUMNS, FUNDING_ALIASES, FUNDING_COLUMNS, DataError
from services.feed.adapters.table import is_time, time_of

ARROW = (".feather", ".parquet")
FREQTRADE_FUNDING = {"date": "funding_time", "open": "funding_rate"}  # a candle whose open is the rate
Header = Sequence[str] | None


@dataclass(frozen=True, slots=True)
class ForeignTable:
    """`symbol` and `funding` as the file's name says; `header` None where the first row is data already."""

    path: Path
    symbol: str
    funding: bool
    header: Header
    rows: Iterable[Sequence[str]]


def open_foreign(path: Path) -> ForeignTable:
    """Raises DataError."""
    try:
        header, rows = _read(path)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return ForeignTable(path, symbol_of(path), "funding" in path.name.lower(), header, rows)


def symbol_of(path: Path) -> str:
    """BTCUSDT-1m-2025-05.csv and BTC_USDT_USDT-1m-futures.feather are both of BTCUSDT."""
    words = path.name.split("-")[0].split(".")[0].upper().split("_")
    return "".join(words[:2])


def wanted_rows(table: ForeignTable, named: Mapping[str, str]) -> Iterator[tuple[datetime, list[str]]]:
    """Time and the other wanted columns of each row. `named` says which of their columns is which of ours, where the
    name does not say it. Raises DataError, with the columns that were seen and those that are needed."""
    wanted = FUNDING_COLUMNS if table.funding else CANDLE_COLUMNS
    places = _places(table, wanted, named)
    for line, row in enumerate(table.rows, 1 if table.header is None else 2):
        if len(row) <= max(places.values()):
            raise DataError(f"{table.path}:{line}: {len(row)} columns, where others have more")
        at = time_of(table.path, line, wanted[0], row[places[wanted[0]]])
        yield at, [row[places[name]] if name in places else "" for name in wanted[1:]]


def _places(table: ForeignTable, wanted: Sequence[str], named: Mapping[str, str]) -> dict[str, int]:
    if table.header is None:
        return {name: n for n, name in enumerate(wanted) if name != "mark_price"}
    aliases: dict[str, str] = {**(FUNDING_ALIASES if table.funding else CANDLE_ALIASES)}
    seen = [name.strip().lower().replace(" ", "_") for name in table.header]
    if table.funding and "funding_rate" not in seen and "date" in seen:
        aliases |= FREQTRADE_FUNDING
    aliases |= {theirs.strip().lower().replace(" ", "_"): ours for ours, theirs in named.items()}
    places = {aliases.get(name, name): n for n, name in reversed(list(enumerate(seen)))}
    missing = [name for name in wanted if name not in places and name != "mark_price"]
    if missing:
        raise DataError(
            f"{table.path}: it has the columns {','.join(table.header)}; needed are {','.join(wanted)}, of which"
            f" {','.join(missing)} are not there: say which they are with --columns {missing[0]}=THEIRS"
        )
    return {name: places[name] for name in wanted if name in places}


def _read(path: Path) -> tuple[Header, Iterable[Sequence[str]]]:
    if path.suffix in ARROW:
        return _arrow(path)
    if path.suffixes[-2:] == [".json", ".gz"] or path.suffix == ".json":
        return None, [[str(value) for value in row] for row in orjson.loads(_bytes(path))]
    rows = csv.reader(io.StringIO(_bytes(path).decode("utf-8-sig")))
    first = next(rows, [])
    return (None, [first, *rows]) if first and is_time(first[0]) else (first, rows)


def _bytes(path: Path) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            name = next((each for each in packed.namelist() if each.endswith(".csv")), None)
            if name is None:
                raise ValueError("no .csv is in it")
            return packed.read(name)
    return path.read_bytes()


def _arrow(path: Path) -> tuple[Header, Iterable[Sequence[str]]]:
    """pyarrow is the extra `replay`."""
    try:
        reader = importlib.import_module("pyarrow.feather" if path.suffix == ".feather" else "pyarrow.parquet")
    except ImportError as error:
        raise DataError(f"{path} needs pyarrow: the extra `replay`") from error
    table = reader.read_table(path)
    columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    return table.column_names, zip(*columns, strict=True)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return str(value)
