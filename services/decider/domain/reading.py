"""What a reply is worth: its text read as a decision, and the call as the record keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from libs.schemas.decision import ModelCall
from services.decider.domain import catalogue
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.parse import Parsed, parse
from services.decider.domain.policy import TABLE, Call, Judged
from services.decider.domain.prompt import Prompt, sha256
from services.decider.domain.replies import TEXT_LIMIT, Outcome, Reply

ERROR_LIMIT = 4_000


@dataclass(frozen=True, slots=True)
class Reading:
    """`parsed` where the reply is a decision; else `errors` say what is wrong, for the repair turn."""

    judged: Judged
    parsed: Parsed | None = None
    errors: tuple[str, ...] = ()


def read(reply: Reply, symbols: Sequence[str]) -> Reading:
    if reply.outcome is not Outcome.ANSWERED:
        detail = reply.error or reply.outcome.value
        return Reading(Judged(good=False, outcome=reply.outcome, detail=detail, retry_after_s=reply.retry_after_s))
    found = parse(reply.text or "", symbols)
    if isinstance(found, Parsed):
        return Reading(Judged(good=True, outcome=Outcome.ANSWERED), parsed=found)
    detail = f"{reply.model} answered what is no decision: {'; '.join(found.errors)}"
    return Reading(Judged(good=False, outcome=Outcome.INVALID, detail=detail), errors=found.errors)


def repair_turn(prompt: Prompt, answer: str | None, text: str) -> tuple[Mapping[str, str], ...]:
    """The messages of a repair: the prompt, what the model answered, and what is wrong with it."""
    return (*prompt.messages, {"role": "assistant", "content": answer or ""}, {"role": "user", "content": text})


def as_call(
    entry: CatalogueEntry, prompt: Prompt, messages: Sequence[Mapping[str, str]], reply: Reply, reading: Reading,
    step: Call, attempt: int,
) -> ModelCall:  # fmt: skip
    """The record. Of a repair, `user_prompt` is the repair turn: the assistant's turn is the call before."""
    dollars, source = catalogue.cost(entry, reply.usage, reply.reported_cost)
    good = "repaired" if step.kind == "repair" else "ok"
    return ModelCall.model_construct(
        model_requested=entry.id,
        model_answered=reply.model_answered,
        provider=entry.provider,
        prompt_version=prompt.version,
        prompt_sha256=sha256(messages),
        system_prompt=prompt.system,
        user_prompt=messages[-1]["content"],
        raw_response=None if reply.text is None else reply.text[:TEXT_LIMIT],
        reasoning=None if reply.reasoning is None else reply.reasoning[:TEXT_LIMIT],
        params={**entry.params, "structured_output": entry.structured, "timeout_s": round(step.timeout_s, 3)},
        usage=reply.usage,
        cost_usd=dollars,
        cost_source=source,
        latency_ms=reply.latency_ms,
        attempt=attempt,
        outcome=good if reading.parsed else TABLE[reading.judged.outcome].recorded,
        error=_error(reading),
        cached=False,
    )


def _error(reading: Reading) -> str | None:
    if reading.parsed is None:
        return reading.judged.detail[:ERROR_LIMIT]
    if reading.parsed.invented:
        return f"dropped, not asked for: {', '.join(reading.parsed.invented)}"
    return None
