"""From a model's text to a decision, or to the exact list of what is wrong with it. The text is hostile input.

What is clear is understood and noted; what can be read in two ways is refused, with what to do, for the repair turn.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from libs.schemas.decision import TradingDecision
from services.decider.domain.coerce import coerce
from services.decider.domain.extract import Ambiguous, find, load, without_reasoning
from services.decider.domain.replies import TEXT_LIMIT

MAX_ERRORS = 10
MAX_NOTES = 20
NO_OBJECT = "the answer holds no JSON object with the field `decisions`"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A decision about nothing but the assets asked for.

    `missing` were left out by the model, `invented` dropped, `notes` say what was understood rather than written.
    """

    decision: TradingDecision
    missing: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Malformed:
    """What is wrong, one line each, as the repair turn quotes it."""

    errors: tuple[str, ...]


def parse(text: str, symbols: Sequence[str]) -> Parsed | Malformed:
    """Read a decision from the text of an answer, wherever in it the model has put it."""
    if len(text) > TEXT_LIMIT:
        return Malformed((f"the answer has more than the {TEXT_LIMIT} characters that are read; write a shorter one",))
    try:
        found = find(text)
        if not found:
            return Malformed((_what_it_is(text),))
    except Ambiguous as error:
        return Malformed((str(error),))
    if len(found) > 1:
        return Malformed((f"the answer holds {len(found)} different decisions; give one JSON object",))
    value, notes = coerce(found[0].value, symbols)
    read = _validate(value)
    return read if isinstance(read, Malformed) else _only_asked(read, symbols, (*found[0].notes, *notes)[:MAX_NOTES])


def _what_it_is(text: str) -> str:
    """What stands there instead of an object with `decisions`, where that can be told."""
    bare, _ = without_reasoning(text)
    value = load(bare.removeprefix("```json").removeprefix("```").removesuffix("```").strip())
    if isinstance(value, list):
        return f'{NO_OBJECT}: it is a list; put it into {{"decisions": […], "portfolio_rationale": …}}'
    if isinstance(value, dict) and "asset" in value:
        return f'{NO_OBJECT}: it is the entry of one asset; put it into {{"decisions": [{{…}}], …}}'
    if not bare and text.strip():
        return f"{NO_OBJECT}: all of it is reasoning; write the JSON object after it"
    if '"decisions"' in bare:
        return f"{NO_OBJECT} that is whole: it is cut off, or no JSON; write it again, shorter"
    return NO_OBJECT


def _validate(value: Any) -> TradingDecision | Malformed:
    try:
        return TradingDecision.model_validate(value)
    except ValidationError as error:
        found = [_line(e) for e in error.errors(include_url=False)]
        more = len(found) - MAX_ERRORS
        return Malformed((*found[:MAX_ERRORS], *((f"and {more} more",) if more > 0 else ())))


def _line(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "the answer"
    given = "" if error["type"] == "missing" else f" (given: {_short(error['input'])})"
    said = error["msg"][:200].replace("valid tuple", "valid array").replace("Tuple should", "Array should")
    return f"{place[:200]}: {said}{given}"


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=True)
    return text if len(text) <= 80 else text[:77] + "..."


def _only_asked(decision: TradingDecision, symbols: Collection[str], notes: tuple[str, ...]) -> Parsed | Malformed:
    named = {entry.asset for entry in decision.decisions}
    invented = tuple(sorted(named.difference(symbols)))
    if len(invented) == len(named):
        return Malformed((f"decisions: none of the assets asked for ({', '.join(symbols)}) is in it",))
    if invented:
        kept = tuple(entry for entry in decision.decisions if entry.asset in symbols)
        decision = decision.model_copy(update={"decisions": kept})
    return Parsed(decision, tuple(s for s in symbols if s not in named), invented, notes)
