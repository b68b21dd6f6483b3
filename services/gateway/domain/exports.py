"""Rows of exports: JSON lines as the API shows an entry, or CSV of its plain fields."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel

from services.gateway.domain.records import HistoryEntry, TradeRecord

ExportFormat = Literal["csv", "jsonl"]
Exported = Literal["decisions", "trades"]
MEDIA_TYPES: Mapping[ExportFormat, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
PAGE = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for one when a cell begins so
COLUMNS: Mapping[Exported, tuple[str, ...]] = {
    "decisions": (
        *("decision_id", "request_id", "account_id", "created_at", "terminal_at", "status", "reason", "symbols"),
        *("actions", "strategy", "model_used", "cost_usd", "dry_run", "arm", "trigger"),
    ),
    "trades": tuple(TradeRecord.model_fields),
}


def head(what: Exported, form: ExportFormat) -> str:
    return _line(COLUMNS[what]) if form == "csv" else ""


def rows(what: Exported, form: ExportFormat, entries: Iterable[BaseModel]) -> str:
    """The entries as text, each in a line of its own."""
    if form == "jsonl":
        return "".join(f"{entry.model_dump_json()}\n" for entry in entries)
    return "".join(_line(_cells(what, entry)) for entry in entries)


def _cells(what: Exported, entry: BaseModel) -> list[str]:
    shown = entry.model_dump(mode="json", include=set(COLUMNS[what]))
    if isinstance(entry, HistoryEntry):
        strategy, trigger = entry.strategy, entry.trigger
        shown |= {
            "symbols": " ".join(entry.symbols),
            "actions": " ".join(entry.actions),
            "strategy": f"{strategy.id} {strategy.version}" if strategy else None,
            "arm": entry.arm.name,
            "trigger": trigger.kind if trigger else None,
        }
    return [_cell(shown.get(name)) for name in COLUMNS[what]]


def _cell(value: Any) -> str:
    """A text from outside must not become a formula; numbers stay numbers."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    numeric = not isinstance(value, str) or _is_number(text)
    return text if numeric or not text.startswith(FORMULA) else f"'{text}"


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdecimal()


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()
