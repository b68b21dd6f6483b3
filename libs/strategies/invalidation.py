"""What of an invalidation code can check: `4h ema20 below ema50 or a 15m close below 59100` is two conditions; with
`and` instead of `or` they count together.

A model's words go in, values of closed types come out: nothing else of what it wrote goes on from here.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
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
_AND = r"(?:and|&|while|plus)"
_TOGETHER = re.compile(rf",? ?{_AND} (?:also |then |an? |the )?", re.I)
_MORE = re.compile(rf"(?: on [a-z ]{{0,30}}| again)?,? ?{_AND}\b|,? ?(?:unless|without|but|with|if)\b", re.I)
_OPEN_END = re.compile(rf"\b(?:{_AND}|unless|until|not|no|without|never)(?: also| then)?(?: an?| the)? ?$", re.I)
_ALIASES: dict[str, str] = {
    "closes": "close", "closed": "close", "price": "close", "rsi": "rsi14", "atr": "atr14", "over": "above",
    "under": "below",
}  # fmt: skip


def conditions(text: str | None) -> tuple[Condition, ...]:
    """Any group of them invalidates, a group when all of it is true at once. Groups that say more than code can check
    are left out, and so is what stands beyond the fourth condition."""
    plain = " ".join((text or "").split())
    found: tuple[Condition, ...] = ()
    for group in dict.fromkeys(_groups(plain, list(_TERM.finditer(plain)))):
        if len(found) + len(group) > MAX_CONDITIONS:
            break
        found += group
    return found


def groups(conditions: Sequence[Condition]) -> list[list[Condition]]:
    """Those that hold together, side by side."""
    found: list[list[Condition]] = []
    for each in conditions:
        if each.joined and found:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def stated(conditions: Sequence[Condition]) -> str:
    """In the form that is read again as the same."""
    return " or ".join(" and ".join(told(each) for each in group) for group in groups(conditions))


def _groups(plain: str, terms: list[re.Match[str]]) -> Iterator[tuple[Condition, ...]]:
    """Terms between which `and` stands, and nothing else that an `and` joins to them."""
    group: list[Condition] = []
    whole = True
    for n, term in enumerate(terms):
        before = plain[terms[n - 1].end() if n else 0 : term.start()]
        joined, clean = bool(group) and bool(_TOGETHER.fullmatch(before)), not _OPEN_END.search(before)
        if group and not joined:
            if whole and not _MORE.match(before):
                yield tuple(group)
            group, whole = [], True
        whole = whole and (joined or clean)
        group.append(_condition(term, joined=joined))
    if group and whole and not _MORE.match(plain[terms[-1].end() :]):
        yield tuple(group)


def told(condition: Condition) -> str:
    than = condition.than if isinstance(condition.than, str) else f"{Decimal(f'{condition.than:.10g}'):f}"
    return f"{condition.timeframe} {condition.figure} {condition.side} {than}"


def _condition(term: re.Match[str], *, joined: bool) -> Condition:
    timeframe, figure, side, than = (part.lower() for part in term.groups())
    number = than[0].isdigit() or than[0] == "-"
    return Condition.model_validate({
        "timeframe": timeframe,
        "figure": _named(figure),
        "side": _named(side),
        "than": float(than.replace(",", "")) if number else _named(than),
        "joined": joined,
    })  # fmt: skip


def _named(word: str) -> str:
    joined = word.replace(" ", "")
    return _ALIASES.get(joined, joined)
