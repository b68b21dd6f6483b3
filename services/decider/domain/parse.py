"""From a model's text to a decision, or to the exact list of what is wrong with it. The text is hostile input."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from libs.schemas.decision import TradingDecision
from services.decider.domain.replies import TEXT_LIMIT

MAX_ERRORS = 10
MAX_OBJECTS = 200  # places at which the outermost object is looked for

_REASONING = re.compile(r"<(think|thinking|reasoning|reflection)\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_REASONING_END = re.compile(r"^.*</(?:think|thinking|reasoning|reflection)\s*>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\r?\n(.*?)```", re.DOTALL)
_DECISIONS = '"decisions"'


@dataclass(frozen=True, slots=True)
class Parsed:
    """A decision about nothing but the assets asked for. `missing` were left out by the model, `invented` dropped."""

    decision: TradingDecision
    missing: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Malformed:
    """What is wrong, one line each, as the repair turn quotes it."""

    errors: tuple[str, ...]


def parse(text: str, symbols: Sequence[str]) -> Parsed | Malformed:
    """Read a decision from the text of an answer, wherever in it the model has put it."""
    if len(text) > TEXT_LIMIT:
        return Malformed((f"the answer has {len(text)} characters; {TEXT_LIMIT} are read at most",))
    last = Malformed(("the answer holds no JSON object with the field `decisions`",))
    for body in _bodies(text):
        if isinstance(read := _validate(body), TradingDecision):
            return _only_asked(read, symbols)
        last = read
    return last


def _bodies(text: str) -> Iterator[str]:
    """Texts that are a JSON object with `decisions`, best guess first."""
    bare = _REASONING_END.sub("", _REASONING.sub("", text)).strip()
    for candidate in (text.strip(), bare, *(found.strip() for found in _FENCE.findall(bare))):
        if _holds_decisions(_loads(candidate)):
            yield candidate
            return
    if (found := _outermost(bare) or _outermost(text)) is not None:
        yield found


def _loads(text: str) -> Any:
    """The value, or None where the text is no JSON (deeply nested text counts as none)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _holds_decisions(value: Any) -> bool:
    return isinstance(value, dict) and "decisions" in value


def _outermost(text: str) -> str | None:
    """The first object that holds `decisions` itself; it begins before the last mention of that field."""
    decoder, tried = json.JSONDecoder(), 0
    at, end = text.find("{"), text.rfind(_DECISIONS)
    while 0 <= at < end and tried < MAX_OBJECTS:
        try:
            value, stop = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            value, stop = None, at
        if _holds_decisions(value):
            return text[at:stop]
        at, tried = text.find("{", at + 1), tried + 1
    return None


def _validate(body: str) -> TradingDecision | Malformed:
    try:
        return TradingDecision.model_validate_json(body)
    except ValidationError as error:
        found = [_line(e) for e in error.errors(include_url=False)]
        more = len(found) - MAX_ERRORS
        return Malformed((*found[:MAX_ERRORS], *((f"and {more} more",) if more > 0 else ())))


def _line(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "the answer"
    given = "" if error["type"] == "missing" else f" (given: {_short(error['input'])})"
    return f"{place[:200]}: {error['msg'][:200]}{given}"


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=True)
    return text if len(text) <= 80 else text[:77] + "..."


def _only_asked(decision: TradingDecision, symbols: Collection[str]) -> Parsed | Malformed:
    named = {entry.asset for entry in decision.decisions}
    invented = tuple(sorted(named.difference(symbols)))
    if len(invented) == len(named):
        return Malformed((f"decisions: none of the assets asked for ({', '.join(symbols)}) is in it",))
    if invented:
        kept = tuple(entry for entry in decision.decisions if entry.asset in symbols)
        decision = decision.model_copy(update={"decisions": kept})
    return Parsed(decision, tuple(s for s in symbols if s not in named), invented)
