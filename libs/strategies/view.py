"""How much of a context a prompt shows: what the strategy asked for, shortened in a stated order until it fits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

COLUMNS = (
    "high", "low", "close", "ema20", "ema50", "macd", "signal", "hist", "rsi14", "bb_low", "bb_mid", "bb_up", "atr14",
    "vol_ratio",
)  # fmt: skip
MAX_ROWS = 10  # as many as a context has
MAX_CLOSES = 50
_COUNTS = {"rows": (1, MAX_ROWS), "closes": (0, MAX_CLOSES), "trades": (0, 20)}


class AskedWrongly(ValueError):
    """A template asks for what there is not; one line that says what there is."""


@dataclass(frozen=True, slots=True)
class View:
    """`rows` of each indicator table (`middle_rows` of timeframes between the shortest and the longest), newest last;
    `closes` of the shortest timeframe; `trades`, `notes` and `outcomes` (what came of its own decisions) per asset.
    `cuts` say what was shortened."""

    columns: tuple[str, ...] = COLUMNS
    rows: int = MAX_ROWS
    middle_rows: int = MAX_ROWS
    closes: int = 20
    trades: int = 3
    notes: int = 5
    outcomes: int = 3
    cuts: tuple[str, ...] = ()

    @property
    def shortened(self) -> str:
        return f"shortened to fit: {', '.join(self.cuts)}" if self.cuts else ""


# What goes first when a prompt is too long for a model. Whole rows, oldest first; the newest row of every table stays.
ORDER: tuple[Mapping[str, int], ...] = (
    {"closes": 10},
    {"middle_rows": 3},
    {"rows": 5},
    {"closes": 0, "trades": 1},
    {"rows": 3, "middle_rows": 1},
    {"notes": 2, "trades": 0, "outcomes": 1},
    {"rows": 1},
    {"notes": 0},
)


def asked(wishes: Mapping[str, Any]) -> View:
    """The view of a template that has set `columns`, `rows`, `closes` or `trades`. Raises AskedWrongly."""
    counts: dict[str, Any] = {name: _count(name, wishes[name]) for name in _COUNTS if name in wishes}
    rows = counts.get("rows", MAX_ROWS)
    return replace(View(middle_rows=rows, columns=_columns(wishes.get("columns", COLUMNS))), **counts)


def shorter(view: View, step: int) -> View | None:
    """The view after the first `step` cuts of ORDER that change it; None where there are fewer."""
    for cut in ORDER:
        if step == 0:
            return view
        smaller: dict[str, Any] = {name: most for name, most in cut.items() if getattr(view, name) > most}
        if smaller:
            said = (f"{name.replace('_', ' ')} {getattr(view, name)} → {most}" for name, most in smaller.items())
            view, step = replace(view, cuts=(*view.cuts, *said), **smaller), step - 1
    return view if step == 0 else None


def _columns(wanted: Any) -> tuple[str, ...]:
    names = [wanted] if isinstance(wanted, str) else list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    if unknown := [str(name)[:40] for name in names if name not in COLUMNS]:
        raise AskedWrongly(f"columns: there is no {', '.join(unknown)}; there are {', '.join(COLUMNS)}")
    return tuple(name for name in COLUMNS if name in names)


def _count(name: str, wanted: Any) -> int:
    least, most = _COUNTS[name]
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not least <= wanted <= most:
        raise AskedWrongly(f"{name} is {str(wanted)[:40]}: it is a whole number from {least} to {most}")
    return wanted
