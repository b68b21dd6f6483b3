"""What a model has clearly meant by values that are not quite the schema's; what is unclear is left for it to refuse.

Understood: a number written as text ("1,234.5", "$500", "70%", "10x"), a word in another case, a symbol as an exchange
writes it, null for a field that has a default, one factor instead of a list. Not understood, on purpose: "1,5" (two
readings), "5%" of dollars, "long" for buy, true for a number.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

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
_QUOTES = ("USDT", "USDC", "USD")


def coerce(value: Mapping[str, Any], symbols: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A copy in the schema's terms, and a line for each thing that was understood."""
    reading = _Reading(symbols)
    made = reading.fields("", value)
    made["decisions"] = reading.entries(value.get("decisions"))
    return made, tuple(reading.notes)


class _Reading:
    """One pass over an answer; `notes` gather what was understood."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = symbols
        self.notes: list[str] = []

    def entries(self, value: Any) -> Any:
        """The list of decisions; a mapping from symbols to entries is one too, where the names agree."""
        if isinstance(value, dict) and value and all(isinstance(entry, dict) for entry in value.values()):
            rows = [{"asset": key} | entry for key, entry in value.items()]
            self.notes.append("decisions: a mapping by asset was read as a list")
            value = rows
        if not isinstance(value, list):
            return value
        return [self._entry(n, entry) if isinstance(entry, dict) else entry for n, entry in enumerate(value)]

    def fields(self, place: str, value: Mapping[str, Any]) -> dict[str, Any]:
        found = {key: self._field(f"{place}{key}", key, given) for key, given in value.items()}
        return {key: given for key, given in found.items() if given is not None or key not in _DEFAULTS}

    def _entry(self, n: int, entry: dict[str, Any]) -> dict[str, Any]:
        place = f"decisions.{n}."
        made = self.fields(place, entry)
        for key in ("position_adjustment", "order_adjustment"):
            if isinstance(made.get(key), dict):
                made[key] = self.fields(f"{place}{key}.", made[key])
        return made

    def _field(self, place: str, key: str, given: Any) -> Any:
        made = given
        if key in _NUMBERS and isinstance(given, bool):
            return str(given).lower()  # true is no number, whatever Python thinks of it
        if key in _NUMBERS and isinstance(given, str):
            made = number(key, given)
        elif key in _WORDS and isinstance(given, str):
            made = re.sub(r"[\s-]+", "_", given.strip().lower())
        elif key == "asset" and isinstance(given, str):
            made = symbol(given, self._symbols)
        elif key == "key_factors":
            made = _factors(given)
        if made != given or type(made) is not type(given):
            self.notes.append(f"{place}: {str(given)[:60]!r} was read as {str(made)[:60]!r}")
        return made


def number(key: str, text: str) -> float | str:
    """The number that a text says without doubt, else the text itself."""
    stripped = text.strip()
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
    """The one asked symbol that is meant: BTC/USDT:USDT, btc-usdt, BTC-PERP or BTC for BTCUSDT. Else what was given."""
    if given in symbols:
        return given
    name = re.sub(r"[-_/ ]?(?:PERP|SWAP)$", "", given.strip().upper().partition(":")[0])
    name = re.sub(r"[^A-Z0-9]", "", name)
    meant = [one for one in symbols if name in {_key(one), *(_key(one).removesuffix(q) for q in _QUOTES)} - {""}]
    return meant[0] if len(meant) == 1 else given


def _key(one: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", one.upper())


def _factors(given: Any) -> Any:
    if isinstance(given, str):
        return [given] if given.strip() else None
    return given[:_FACTORS] if isinstance(given, list) else given
