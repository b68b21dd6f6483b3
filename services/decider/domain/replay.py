"""A recorded decision made again from its context and the raw answers, without a call.

Read again: every text, what was understood of it and what it is worth, and the proposal with its facts. Taken from the
record: what was asked, what calls cost and how long they took, the models passed over, and why it abstained. The same
bytes come out unless the code that reads answers has changed since; `differences` then say how.
"""

import json
from collections.abc import Iterator
from typing import Any

from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed, ModelCall
from libs.schemas.reasons import AbstainReason
from services.decider.domain.parse import Parsed
from services.decider.domain.policy import Abstain
from services.decider.domain.prompt import is_repair
from services.decider.domain.proposal import Course, propose
from services.decider.domain.reading import Reading, read
from services.decider.domain.record import BOOKS, SHORTENED, judged
from services.decider.domain.replies import Outcome, Reply
from services.decider.domain.seats import Seat

SHOWN = 100


def replay(context: TradingContext, recorded: DecisionProposed) -> DecisionProposed:
    """The proposal that these answers make today. `context` is the one that was decided on."""
    readings = [read(_reply(call), context.symbols, call.prompt_tokens) for call in recorded.calls]
    calls = [_again(call, reading) for call, reading in zip(recorded.calls, readings, strict=True)]
    course = Course(_end(recorded, readings), calls, recorded.not_asked, recorded.timing)
    made = propose(context, Seat(recorded.decision_id, recorded.arm), course, recorded.proposed_at)
    return made.model_copy(update={"session": recorded.session})


def differences(before: DecisionProposed, after: DecisionProposed) -> tuple[str, ...]:
    """A line for each field that differs, by its path; none where both have the same bytes on the wire."""
    return tuple(_differences("", json.loads(before.model_dump_json()), json.loads(after.model_dump_json())))


def _reply(call: ModelCall) -> Reply:
    """What the provider said. Records from before `ended` was kept say it by their outcome."""
    read_again = call.raw_response and call.outcome in ("ok", "repaired", "invalid")
    ended = call.ended or ("answered" if read_again else "empty" if call.outcome == "invalid" else "unavailable")
    return Reply(
        model=call.model_requested, outcome=Outcome(ended), text=call.raw_response, usage=call.usage, error=call.error
    )


def _again(call: ModelCall, reading: Reading) -> ModelCall:
    if call.ended is None and reading.outcome is Outcome.UNAVAILABLE:
        return call
    return call.model_copy(update=judged(reading, _before(call), repaired=is_repair(call.user_prompt)))


def _before(call: ModelCall) -> list[str]:
    return [note for note in call.notes if note.startswith((SHORTENED, BOOKS))]


def _end(recorded: DecisionProposed, readings: list[Reading]) -> Parsed | Abstain:
    if parsed := next((reading.parsed for reading in readings if reading.parsed), None):
        return parsed
    if recorded.abstain_reason is not None:
        return Abstain(recorded.abstain_reason, recorded.abstain_detail or "")
    if readings and (rest := readings[-1].rest):
        return rest
    said = "; ".join(reading.detail for reading in readings)
    return Abstain(AbstainReason.INVALID, f"its answers are no decision today: {said}")


def _differences(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from _differences(f"{path}.{key}" if path else key, before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for n, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{path}.{n}", one, other)
    elif before != after:
        yield f"{path}: {_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
