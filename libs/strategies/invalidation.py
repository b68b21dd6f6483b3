"""What of an invalidation code can check: `4h ema20 below ema50 or a 15m close below 59100` is two conditions.

A model's words go in, values of closed types come out: nothing else of what it wrote goes on from here.
"""

import re
from typing import get_args

from libs.schemas.account import MAX_CONDITIONS, Condition
from libs.schemas.base import Timeframe

_FRAMES = "|".join(get_args(Timeframe))
_FIGURE = r"close[sd]?|price|ema ?20|ema ?50|macd|signal|hist|rsi(?: ?14)?|bb_low|bb_mid|bb_up|atr(?: ?14)?|vol_ratio"
_NUMBER = r"-?\d[\d,]{0,19}(?:\.\d{1,12})?"
_VERB = r"(?:is |falls |rises |crosses |crossing |goes |back )?"
_TERM = re.compile(
    rf"\b({_FRAMES}) ({_FIGURE}) {_VERB}(above|below|over|under) (?:the |its )?({_FIGURE}|{_NUMBER})(?![\w.]*\d)", re.I
)
_ALIASES: dict[str, str] = {
    "closes": "close", "closed": "close", "price": "close", "rsi": "rsi14", "atr": "atr14", "over": "above",
    "under": "below",
}  # fmt: skip


def conditions(text: str | None) -> tuple[Condition, ...]:
    """Any of them invalidates. Empty where nothing can be checked: another form, or several that must hold together."""
    plain = " ".join((text or "").split())
    terms = list(_TERM.finditer(plain))
    if not terms or re.search(r"\band\b", plain[terms[0].start() : terms[-1].end()], re.I):
        return ()
    return tuple(dict.fromkeys(_condition(term) for term in terms))[:MAX_CONDITIONS]


def told(condition: Condition) -> str:
    than = condition.than if isinstance(condition.than, str) else f"{condition.than:.10g}"
    return f"{condition.timeframe} {condition.figure} {condition.side} {than}"


def _condition(term: re.Match[str]) -> Condition:
    timeframe, figure, side, than = (part.lower() for part in term.groups())
    number = than[0].isdigit() or than[0] == "-"
    return Condition.model_validate({
        "timeframe": timeframe,
        "figure": _named(figure),
        "side": _named(side),
        "than": float(than.replace(",", "")) if number else _named(than),
    })  # fmt: skip


def _named(word: str) -> str:
    joined = word.replace(" ", "")
    return _ALIASES.get(joined, joined)
