"""The tables of a run as Parquet, for pandas, Polars or DuckDB. Money is a float there: to the last digit it is in the
JSON lines. pyarrow is imported when it is wanted: the extra `replay`."""

import importlib
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from replay.record import DECISIONS, EQUITY, TRADES
from replay.run import OUTCOMES

BATCH = 10_000
TIME, FLOAT, TEXT, WHOLE, JSON = "time", "float", "text", "whole", "json"
COLUMNS: Mapping[str, Mapping[str, str]] = {
    EQUITY: {"at": TIME, "account_id": TEXT, "wallet": FLOAT, "equity": FLOAT, "positions": WHOLE},
    TRADES: {
        **dict.fromkeys(("account_id", "symbol", "side"), TEXT),
        **dict.fromkeys(("quantity", "entry_price", "exit_price", "margin", "pnl", "fees", "funding"), FLOAT),
        **dict.fromkeys(("opened_at", "closed_at"), TIME),
        **dict.fromkeys(("decision_id", "strategy_id", "reason"), TEXT),
    },
    DECISIONS: {
        "at": TIME,
        **dict.fromkeys(("account_id", "decision_id", "trigger", "end", "reason", "rationale"), TEXT),
        "prices": JSON,
        "verdicts": JSON,
    },
    OUTCOMES: {"at": TIME, "decision_id": TEXT, "asset": TEXT, "1h": FLOAT, "4h": FLOAT, "24h": FLOAT},
}


class NoParquet(Exception):
    """pyarrow is not installed."""


def write_parquet(folder: Path) -> list[Path]:
    """Beside the JSON lines of a complete run. Raises NoParquet."""
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise NoParquet("Parquet needs pyarrow: the extra `replay`") from error
    return [_write(folder / name, columns, arrow, parquet) for name, columns in COLUMNS.items()]


def _write(lines: Path, columns: Mapping[str, str], arrow: Any, parquet: Any) -> Path:
    made = lines.with_suffix(".parquet")
    kinds = {TIME: arrow.timestamp("us", "UTC"), FLOAT: arrow.float64(), WHOLE: arrow.int64()}
    schema = arrow.schema([(name, kinds.get(kind, arrow.string())) for name, kind in columns.items()])
    with lines.open("rb") as rows, parquet.ParquetWriter(made, schema) as writer:
        told = ([_value(row.get(name), kind) for name, kind in columns.items()] for row in map(orjson.loads, rows))
        while batch := list(islice(told, BATCH)):
            arrays = [
                arrow.array(values, field.type) for values, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))
    return made


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == TIME:
        return datetime.fromisoformat(value)
    if kind == JSON:
        return orjson.dumps(value).decode()
    return float(value) if kind == FLOAT else value
