"""What a reply is worth: its text read as a decision, or what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.decider.domain.parse import Parsed, parse
from services.decider.domain.prompt import Prompt, repair_text
from services.decider.domain.replies import Outcome, Reply


@dataclass(frozen=True, slots=True)
class Reading:
    """`parsed` where the reply is a decision. Else `outcome` has a row in the policy's table, `detail` says what
    happened in one line, and `errors` what is wrong with the text, for the repair turn."""

    outcome: Outcome
    parsed: Parsed | None = None
    detail: str = ""
    errors: tuple[str, ...] = ()
    retry_after_s: float | None = None


def read(reply: Reply, symbols: Sequence[str]) -> Reading:
    if reply.outcome is not Outcome.ANSWERED:
        return Reading(reply.outcome, detail=reply.error or reply.outcome.value, retry_after_s=reply.retry_after_s)
    found = parse(reply.text or "", symbols)
    if isinstance(found, Parsed):
        return Reading(Outcome.ANSWERED, parsed=found)
    detail = f"{reply.model} answered what is no decision: {'; '.join(found.errors)}"
    return Reading(Outcome.INVALID, detail=detail, errors=found.errors)


def repair_turn(prompt: Prompt, reply: Reply, errors: Sequence[str]) -> tuple[Mapping[str, str], ...]:
    """The messages of a repair: the prompt, what the model answered, and exactly what is wrong with it."""
    answer = {"role": "assistant", "content": reply.text or ""}
    return (*prompt.messages, answer, {"role": "user", "content": repair_text(errors)})
