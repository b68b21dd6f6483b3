"""Confidences as they were written: percentages from 0 to 100, or shares of 1 where that is beyond doubt.

A share that is read as a percentage makes 62 % of 0.62 %: it would rank entries and fill the reliability table with
nonsense. So shares are read only where all entries have them; where both readings stand side by side, the model says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_ENTRIES = ("buy", "sell")
_ASK = "write a percentage from 1 to 100"


@dataclass(frozen=True, slots=True)
class EntryError:
    """What is wrong with one entry: its place in the list, and a line."""

    entry: int
    line: str


@dataclass(frozen=True, slots=True)
class Confidences:
    rows: list[Any]
    notes: tuple[str, ...] = ()
    errors: tuple["EntryError", ...] = ()


def judged(rows: Sequence[Any], written: Sequence[Any]) -> Confidences:
    """The entries with confidences in percent. `written` are the same entries as the model wrote them: what has a
    percent sign is no share."""
    plain = {n: row["confidence"] for n, row in enumerate(rows) if _counts(row) and not _signed(written[n])}
    most = max(plain.values(), default=0.0)
    shares = [n for n, value in plain.items() if 0 < value < 1]
    if most <= 1 and shares:
        return _told(_scaled(rows, plain), tuple(_read_as(n, plain[n]) for n in plain if plain[n]))
    if most == 1:
        return _told(list(rows), (), tuple(_twofold(n, plain[n]) for n in plain if plain[n]))
    return _told(list(rows), (), tuple(_twofold(n, plain[n]) for n in shares))


def _told(rows: list[Any], notes: tuple[str, ...], errors: tuple[EntryError, ...] = ()) -> Confidences:
    without = [
        _error(n, f"an entry ({row['action']}) with confidence 0 makes no sense; hold, or {_ASK}")
        for n, row in enumerate(rows)
        if _counts(row) and row.get("action") in _ENTRIES and row["confidence"] == 0
    ]
    return Confidences(rows, notes, (*errors, *without))


def _scaled(rows: Sequence[Any], plain: dict[int, float]) -> list[Any]:
    return [row | {"confidence": round(plain[n] * 100, 6)} if n in plain else row for n, row in enumerate(rows)]


def _read_as(n: int, value: float) -> str:
    return f"decisions.{n}.confidence: {value:g} was read as {value * 100:g} percent, a share of 1 like all the others"


def _twofold(n: int, value: float) -> EntryError:
    return _error(n, f"{value:g} can be a share of 1 or a percentage; {_ASK}")


def _error(n: int, said: str) -> EntryError:
    return EntryError(n, f"decisions.{n}.confidence: {said}")


def _counts(row: Any) -> bool:
    value = row.get("confidence") if isinstance(row, dict) else None
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def _signed(entry: Any) -> bool:
    given = entry.get("confidence") if isinstance(entry, dict) else None
    return isinstance(given, str) and given.rstrip().endswith("%")
