"""What an entry says by 0, by an empty text or by an empty object where its action has no use for the field: nothing.

Structured output makes models fill in every field, and the formats that they were taught write 0 for none. Where the
field has a use (the stop of a buy), 0 stays what it is, and is refused.
"""

from collections.abc import Mapping
from typing import Any

_ENTRIES = ("buy", "sell")
_OF_ENTRIES = ("leverage", "tp_price", "sl_price", "limit_price")
_WORDS_FOR_NONE = frozenset({"", "0", "-", "none", "null", "n/a", "na"})
_FLAGS = ("adjust_tp", "adjust_sl", "cancel_tp", "cancel_sl")
_NEW_PRICES = {"new_tp_price": "adjust_tp", "new_sl_price": "adjust_sl"}
Notes = list[str]


def without_what_is_none(place: str, entry: Mapping[str, Any]) -> tuple[dict[str, Any], Notes]:
    """A copy of an entry with null for what means none, and a line for each. `place` ends in a dot."""
    made, notes = dict(entry), Notes()
    action = made.get("action")
    if not isinstance(action, str):
        return made, notes
    if action not in _ENTRIES:
        _clear(place, made, [key for key in _OF_ENTRIES if _is_none(made.get(key))], notes)
        others = [key for key, own in _ADJUSTMENTS.items() if action != own]
        _clear(place, made, [key for key in others if _is_empty(made.get(key))], notes)
    for key in _ADJUSTMENTS:
        if isinstance(adjustment := made.get(key), dict):
            made[key] = _without_prices(f"{place}{key}.", adjustment, notes)
    return made, notes


_ADJUSTMENTS = {"position_adjustment": "adjust_position", "order_adjustment": "adjust_orders"}


def _without_prices(place: str, adjustment: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """New prices of 0 are none, unless the flag asks for one."""
    made = dict(adjustment)
    unused = [key for key, flag in _NEW_PRICES.items() if made.get(flag) is not True and _is_none(made.get(key))]
    _clear(place, made, unused, notes)
    return made


def _clear(place: str, made: dict[str, Any], keys: list[str], notes: Notes) -> None:
    for key in keys:
        notes.append(f"{place}{key}: {str(made[key])[:60]!r} was read as none")
        made[key] = None


def _is_none(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _WORDS_FOR_NONE
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


def _is_empty(value: Any) -> bool:
    """Whether an adjustment adjusts nothing. An absent one is no matter."""
    if not isinstance(value, dict):
        return isinstance(value, str) and _is_none(value)
    amount = value.get("adjustment_amount_usd")
    return not any(value.get(flag) for flag in _FLAGS) and (amount is None or _is_none(amount))
