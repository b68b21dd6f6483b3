"""What a reply is worth: its text read as a decision, or what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.decider.domain.parse import Parsed, parse
from services.decider.domain.prompt import Prompt, repair_text
from services.decider.domain.replies import Outcome, Reply

LEAST_CONTEXT = 1_024  # tokens; who has read fewer counts in another way: no server has a shorter context
CUT_BELOW = 0.6  # of our own count: tokenizers differ by a fifth, a server that cuts leaves half or less


@dataclass(frozen=True, slots=True)
class Reading:
    """`parsed` where the reply is a decision. Else `outcome` has a row in the policy's table, `detail` says what
    happened in one line, and `errors` what is wrong with the text, for the repair turn. `without`: the part of the
    request that the server has refused. `rest`: the decision without entries that are wrong, if nobody rights them."""

    outcome: Outcome
    parsed: Parsed | None = None
    detail: str = ""
    errors: tuple[str, ...] = ()
    retry_after_s: float | None = None
    without: str | None = None
    rest: Parsed | None = None


def read(reply: Reply, symbols: Sequence[str], counted: int | None = None) -> Reading:
    """`counted` are the tokens of the prompt by our own count, None where nobody has counted."""
    if reply.outcome is not Outcome.ANSWERED:
        detail = reply.error or reply.outcome.value
        return Reading(reply.outcome, detail=detail, retry_after_s=reply.retry_after_s, without=reply.without)
    shares = (seen, counted) if (seen := _seen(reply)) and counted and seen < counted * CUT_BELOW else None
    if shares and shares[0] >= LEAST_CONTEXT:
        return Reading(Outcome.CUT, detail=_cut(reply.model, *shares))
    found = parse(reply.text or "", symbols)
    if isinstance(found, Parsed):
        doubt = (f"the server counts {shares[0]} tokens of a prompt of about {shares[1]}",) if shares else ()
        return Reading(Outcome.ANSWERED, parsed=replace(found, notes=(*doubt, *found.notes)))
    detail = f"{reply.model} answered what is no decision: {'; '.join(found.errors)}"
    return Reading(Outcome.INVALID, detail=detail, errors=found.errors, rest=found.rest)


def repair_turn(prompt: Prompt, reply: Reply, errors: Sequence[str], room: int) -> tuple[Mapping[str, str], ...]:
    """The messages of a repair: the prompt, what the model answered, and exactly what is wrong with it.

    `room`: bytes that these two may have. The answer is shortened to fit; the reasoning goes back whole, under the name
    that it came by, or not at all.
    """
    text, said = repair_text(errors), reply.text or ""
    left = max(0, room - len(text.encode()))
    shown = said.encode()[:left].decode("utf-8", "ignore")
    answer = {"role": "assistant", "content": shown if shown == said else f"{shown}…"}
    thought = reply.reasoning or ""
    if reply.thought_in and 0 < len(thought.encode()) <= left - len(shown.encode()):
        answer[reply.thought_in] = thought
    return (*prompt.messages, answer, {"role": "user", "content": text})


def without_reasoning(messages: Sequence[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    """The same messages without what a model thought."""
    return tuple({key: text for key, text in message.items() if key in ("role", "content")} for message in messages)


def _seen(reply: Reply) -> int | None:
    """Tokens of the prompt that the server has read. Some count cached ones apart."""
    if reply.usage is None:
        return None
    apart = reply.usage.cached if reply.usage.cached > reply.usage.prompt else 0
    return reply.usage.prompt + apart


def _cut(model: str, seen: int, counted: int) -> str:
    return (
        f"{model} has read {seen} tokens of a prompt of about {counted}: the server has cut it, and the limits stand "
        "first; give it a longer context (Ollama: OLLAMA_CONTEXT_LENGTH), or state a smaller context_tokens in "
        "config/models.yaml"
    )
