"""What a model has clearly meant by values that are not quite the schema's; what is unclear is left for it to refuse.

Understood: a number written as text ("1,234.5", "$500", "70%", "10x"), a word in another case, a symbol as an exchange
writes it, null for a field that has a default, one factor instead of a list, 0 for "none" where the field has no use
(entries.py), confidences that are all shares of 1. Not understood, on purpose: "1,5" (two readings), "5%" of dollars,
"long" for buy, true for a number, a share beside a percentage.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from libs.schemas.symbols import QUOTES, spelled
from services.decider.domain.confidence import EntryError, judged
from services.decider.domain.entries import without_what_is_none

_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_MONEY = re.compile(r"^(?:\$\s*)?(.*?)(?:\s*(?:USDT?|\$))?$", re.IGNORECASE)
_DOLLARS = frozenset({"allocation_usd", "total_allocation_usd", "adjustment_amount_usd"})
_PRICES = frozenset({"tp_price", "sl_price", "limit_price", "new_tp_price", "new_sl_price"})
_PERCENTS = frozenset({"confidence", "adjustment_percentage"})
_NUMBERS = _DOLLARS | _PRICES | _PERCENTS | {"leverage"}
_WORDS = frozenset({"action", "risk_level", "portfolio_risk_level", "adjustment_type"})
_DEFAULTS = frozenset({"allocation_usd", "adjust_tp", "adjust_sl", "cancel_tp", "cancel_sl"})
_FACTORS = 5
_QUOTED = (*QUOTES, "USD")
LONGEST = 60  # of a text that can still be a number, a word or a symbol: the patterns need not be linear
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Coerced:
    """An answer in the schema's terms. A line in `notes` for each thing that was understood, in `errors` for what has
    two readings; `invented` are the assets nobody asked for, as they were written, whose entries were dropped."""

    value: dict[str, Any]
    notes: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    errors: tuple[EntryError, ...] = ()


def coerce(value: Mapping[str, Any], symbols: Sequence[str]) -> Coerced:
    reading = _Reading(symbols)
    made = reading.fields("", value)
    made["decisions"] = reading.entries(value.get("decisions"))
    return Coerced(made, tuple(reading.notes), tuple(dict.fromkeys(reading.invented)), tuple(reading.errors))


class _Reading:
    """One pass over an answer; `notes`, `invented` and `errors` gather what was met."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = symbols
        self.notes: list[str] = []
        self.invented: list[str] = []
        self.errors: list[EntryError] = []

    def entries(self, value: Any) -> Any:
        """The list of decisions; a mapping from symbols to entries is one too, where the names agree."""
        if isinstance(value, dict) and value and all(isinstance(entry, dict) for entry in value.values()):
            value = [{"asset": key} | entry for key, entry in value.items()]
            self.notes.append("decisions: a mapping by asset was read as a list")
        if not isinstance(value, list):
            return value
        asked = self._asked(value)
        rows = [self._entry(n, entry) if isinstance(entry, dict) else entry for n, entry in enumerate(asked)]
        confidence = judged(rows, asked)
        self.notes += confidence.notes
        self.errors += confidence.errors
        return confidence.rows

    def _asked(self, entries: list[Any]) -> list[Any]:
        """The entries without those of assets that nobody asked for, whatever else is wrong with them; all of them
        where none is of ours."""
        foreign = [isinstance(entry, dict) and self._is_foreign(entry.get("asset")) for entry in entries]
        if all(foreign):
            return entries
        self.invented += [str(entry["asset"])[:SHOWN] for entry, out in zip(entries, foreign, strict=True) if out]
        return [entry for entry, out in zip(entries, foreign, strict=True) if not out]

    def _is_foreign(self, asset: Any) -> bool:
        return isinstance(asset, str) and symbol(asset, self._symbols) not in self._symbols

    def fields(self, place: str, value: Mapping[str, Any]) -> dict[str, Any]:
        found = {key: self._field(f"{place}{key[:SHOWN]}", key, given) for key, given in value.items()}
        return {key: given for key, given in found.items() if given is not None or key not in _DEFAULTS}

    def _entry(self, n: int, entry: dict[str, Any]) -> dict[str, Any]:
        place = f"decisions.{n}."
        made = self.fields(place, entry)
        for key in ("position_adjustment", "order_adjustment"):
            if isinstance(made.get(key), dict):
                made[key] = self.fields(f"{place}{key}.", made[key])
        made, notes = without_what_is_none(place, made)
        self.notes += notes
        return made

    def _field(self, place: str, key: str, given: Any) -> Any:
        made = given
        if key in _NUMBERS and isinstance(given, bool):
            return str(given).lower()  # true is no number, whatever Python thinks of it
        if key in _NUMBERS and isinstance(given, str):
            made = number(key, given)
        elif key in _WORDS and isinstance(given, str) and len(given) <= LONGEST:
            made = re.sub(r"[\s-]+", "_", given.strip().lower())
        elif key == "asset" and isinstance(given, str):
            made = symbol(given, self._symbols)
        elif key == "key_factors":
            made = _factors(given)
        if made != given or type(made) is not type(given):
            self.notes.append(f"{place}: {str(given)[:SHOWN]!r} was read as {str(made)[:SHOWN]!r}")
        return made


def number(key: str, text: str) -> float | str:
    """The number that a text says without doubt, else the text itself."""
    stripped = text.strip()
    if len(stripped) > LONGEST:
        return text
    if key in _PERCENTS:
        stripped = stripped.removesuffix("%").rstrip()
    elif key == "leverage":
        stripped = re.sub(r"\s*[xX×]$", "", stripped)
    elif (money := _MONEY.match(stripped)) is not None:
        stripped = money.group(1).strip()
    if _GROUPED.fullmatch(stripped):
        return float(stripped.replace(",", ""))
    return float(stripped) if _PLAIN.fullmatch(stripped) else text


def symbol(given: str, symbols: Sequence[str]) -> str:
    """The one asked symbol that is meant, by the spellings of libs/schemas/symbols.py; else what was given. A spelling
    without a quote (BTC, BTC-PERP) means the only asked market of that base."""
    if given in symbols or len(given) > LONGEST:
        return given
    loosely = "" if ":" in given else re.sub(r"[^A-Z0-9]", "", given.upper())  # "ETH (USDT)"
    spelling = spelled(given) or spelled(loosely)
    if spelling is None:
        return given
    name = f"{spelling.base}{spelling.quote or ''}"
    meant = [each for each in symbols if name in {_key(each), *(_key(each).removesuffix(q) for q in _QUOTED)} - {""}]
    return meant[0] if len(meant) == 1 else given


def _key(one: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", one.upper())


def _factors(given: Any) -> Any:
    if isinstance(given, str):
        return [given] if given.strip() else None
    return given[:_FACTORS] if isinstance(given, list) else given
