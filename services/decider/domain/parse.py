"""From a model's text to a decision, or to the exact list of what is wrong with it. The text is hostile input.

What is clear is understood and noted; what can be read in two ways is refused, with what to do, for the repair turn.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from libs.schemas.decision import TradingDecision
from services.decider.domain.coerce import Coerced, coerce
from services.decider.domain.confidence import EntryError
from services.decider.domain.extract import MANY, Ambiguous, find, load, without_reasoning
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
    """What is wrong, one line each, as the repair turn quotes it. `rest`: the decision without the entries that are
    wrong, where nothing else is: for the end, when nobody puts them right."""

    errors: tuple[str, ...]
    rest: Parsed | None = None


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
        many = f"at least {MANY}" if len(found) == MANY else len(found)
        return Malformed((f"the answer holds {many} different decisions; give one JSON object",))
    coerced = coerce(found[0].value, symbols)
    read = _validate(coerced)
    if isinstance(read, list):
        return _malformed(read, _rest(coerced, read, symbols))
    return _only_asked(read, symbols, coerced.invented, (*found[0].notes, *coerced.notes)[:MAX_NOTES])


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


def _validate(coerced: Coerced) -> TradingDecision | list[EntryError]:
    """The decision, or what is wrong with it; entry -1 is the whole."""
    errors = list(coerced.errors)
    try:
        decision = TradingDecision.model_validate(coerced.value)
    except ValidationError as error:
        found = error.errors(include_url=False)
        lines = [_line(each) for each in found[:MAX_ERRORS]] + [""] * (len(found) - MAX_ERRORS)
        errors += [EntryError(_entry_of(each["loc"]), line) for each, line in zip(found, lines, strict=True)]
        return errors
    return errors or decision


def _entry_of(place: tuple[int | str, ...]) -> int:
    match place:
        case ("decisions", int(n), *_):
            return n
    return -1


def _malformed(errors: Sequence[EntryError], rest: Parsed | None) -> Malformed:
    lines = tuple(error.line for error in errors[:MAX_ERRORS])
    more = len(errors) - MAX_ERRORS
    return Malformed((*lines, *((f"and {more} more",) if more > 0 else ())), rest)


def _rest(coerced: Coerced, errors: Sequence[EntryError], symbols: Sequence[str]) -> Parsed | None:
    """The decision without the entries that are wrong, where nothing else is. Of an asset that has a wrong entry, no
    other counts."""
    rows, bad = coerced.value.get("decisions"), {error.entry for error in errors}
    if not isinstance(rows, list) or -1 in bad or any(not isinstance(rows[n], dict) for n in bad):
        return None
    assets = {str(rows[n].get("asset")) for n in bad}
    kept = [row for row in rows if isinstance(row, dict) and str(row.get("asset")) not in assets]
    if not kept:
        return None
    read = _validate(replace(coerced, value=coerced.value | {"decisions": kept}, errors=()))
    found = None if isinstance(read, list) else _only_asked(read, symbols, coerced.invented, coerced.notes[:MAX_NOTES])
    return found if isinstance(found, Parsed) else None


def _line(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "the answer"
    given = "" if error["type"] == "missing" else f" (given: {_short(error['input'])})"
    said = error["msg"][:200].replace("valid tuple", "valid array").replace("Tuple should", "Array should")
    return f"{place[:200]}: {said}{given}"


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=True)
    return text if len(text) <= 80 else text[:77] + "..."


def _only_asked(
    decision: TradingDecision, symbols: Collection[str], invented: Collection[str], notes: tuple[str, ...]
) -> Parsed | Malformed:
    named = {entry.asset for entry in decision.decisions}
    if named.isdisjoint(symbols):
        return Malformed((f"decisions: none of the assets asked for ({', '.join(symbols)}) is in it",))
    return Parsed(decision, tuple(s for s in symbols if s not in named), tuple(sorted(invented)), notes)
