"""A call as the record keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from libs.schemas.decision import CallOutcome, ModelCall
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.costs import cost_of
from services.decider.domain.policy import TABLE
from services.decider.domain.prompt import Prompt, sha256
from services.decider.domain.reading import Reading
from services.decider.domain.replies import TEXT_LIMIT, Reply

ERROR_LIMIT = 4_000
NOTE_LIMIT = 200
SHORTENED, BOOKS = "prompt shortened", "books: "  # how notes begin that are no reading of the answer
REASONING_LIMIT = 10_000  # four calls with prompts and answers stay below the bus's limit for a message


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call as it was made: the entry with the parameters of this call, what was said, and what it is worth.
    `cached`: the reply was kept by an earlier delivery of the same context."""

    entry: CatalogueEntry
    prompt: Prompt
    messages: Sequence[Mapping[str, str]]
    reply: Reply
    reading: Reading
    cached: bool = False


def as_call(made: Exchange, attempt: int) -> ModelCall:
    """Of a repair, `user_prompt` is the repair turn; the assistant's turn before it is the answer that was wrong."""
    entry, reply = made.entry, made.reply
    dollars, source = cost_of(entry, reply)
    return ModelCall(
        model_requested=entry.id,
        model_answered=reply.model_answered,
        provider=entry.provider,
        prompt_version=made.prompt.version,
        prompt_sha256=sha256(made.messages),
        system_prompt=made.prompt.system,
        user_prompt=made.messages[-1]["content"],
        raw_response=None
        if reply.text is None
        else reply.text[: TEXT_LIMIT + 1],  # one more: too long stays too long when it is read again
        reasoning=None if reply.reasoning is None else reply.reasoning[:REASONING_LIMIT],
        params={**entry.params, "structured_output": entry.structured, "timeout_s": entry.timeout_s},
        usage=reply.usage,
        cost_usd=dollars,
        cost_source=source,
        latency_ms=reply.latency_ms,
        attempt=attempt,
        ended=reply.outcome.value,
        prompt_tokens=made.prompt.tokens,
        cached=made.cached,
        called_at=reply.called_at,
        **judged(made.reading, _before(made), repaired=len(made.messages) > len(made.prompt.messages)),
    )


class JudgedCall(TypedDict):
    outcome: CallOutcome
    error: str | None
    notes: tuple[str, ...]


def _before(made: Exchange) -> list[str]:
    shortened = [f"prompt {made.prompt.shortened}"] if made.prompt.shortened else []
    return shortened + [f"{BOOKS}{note}" for note in made.reply.notes]


def judged(reading: Reading, before: Sequence[str], *, repaired: bool) -> JudgedCall:
    """The fields of a record that follow from what the answer is worth. `before`: notes that do not."""
    return {
        "outcome": _outcome(reading, repaired=repaired),
        "error": None if reading.parsed else reading.detail[:ERROR_LIMIT],
        "notes": _notes(before, reading),
    }


def _outcome(reading: Reading, *, repaired: bool) -> CallOutcome:
    if reading.parsed is None:
        return TABLE[reading.outcome].recorded
    return "repaired" if repaired else "ok"


def _notes(before: Sequence[str], reading: Reading) -> tuple[str, ...]:
    said = list(before)
    if reading.parsed is not None:
        if dropped := reading.parsed.invented:
            said.append(f"dropped, not asked for: {', '.join(dropped)}")
        said += reading.parsed.notes
    return tuple(note[:NOTE_LIMIT] for note in said)
