"""How numbers, times and foreign text stand in a prompt. Short forms: each digit is paid for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

QUOTED_CHARS = 300
ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Ticks:
    """Prices at each symbol's tick, with seven digits where no tick is known."""

    steps: Mapping[str, Decimal]

    def price(self, symbol: str, value: float | Decimal | None) -> str:
        if value is None:
            return ABSENT
        step = self.steps.get(symbol)
        if step is None:
            return f"{value:.7g}" if isinstance(value, float) else f"{value.normalize():f}"
        exact = value if isinstance(value, Decimal) else Decimal(repr(value))
        places = max(0, -int(step.normalize().as_tuple().exponent))
        return f"{(exact / step).to_integral_value() * step:.{places}f}"


SEVEN_DIGITS = Ticks({})


def number(value: float | None, digits: int = 4) -> str:
    """`digits` that count, without an exponent: 0.0001234, 12.34, 1234000."""
    if value is None:
        return ABSENT
    return f"{Decimal(f'{value:.{digits}g}'):f}"


def fixed(value: float | Decimal | None, places: int) -> str:
    return ABSENT if value is None else f"{value:.{places}f}"


def money(value: Decimal | float) -> str:
    return f"{value:.2f}"


def plain(value: Decimal) -> str:
    """Without an exponent and without zeros at the end."""
    return f"{value.normalize():f}"


def minutes_between(earlier: datetime, later: datetime) -> float:
    return round((later - earlier).total_seconds() / 60, 1)


def span(minutes: float, *, seconds: bool = False) -> str:
    """7 min, 2 h 5 min, 3 d 4 h; 55 s where `seconds` are wanted and it is less than two minutes."""
    whole = int(minutes)
    if seconds and minutes < 2:
        return f"{max(0, int(minutes * 60))} s"
    if whole < 120:
        return f"{whole} min"
    if whole < 2 * 1_440:
        return f"{whole // 60} h {whole % 60} min"
    return f"{whole // 1_440} d {whole % 1_440 // 60} h"


def quoted(text: str | None) -> str:
    """Foreign text as one line that can end neither its quotes nor a fence around it."""
    if not text:
        return ABSENT
    plain = "".join(c if c.isprintable() else " " for c in text[:QUOTED_CHARS])
    cut = "…" if len(text) > QUOTED_CHARS else ""
    return json.dumps(plain + cut, ensure_ascii=False).replace("<", "‹").replace(">", "›").replace("`", "'")
