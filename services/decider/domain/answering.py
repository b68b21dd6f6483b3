"""From what a provider's body says to a reply: how the call ended, and why it is no answer where it is none."""

from services.decider.domain.completion import Completion
from services.decider.domain.replies import Outcome, Reply

_AT_THE_LIMIT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_BY_A_FILTER = frozenset({
    "content_filter", "content_filtered", "refusal", "safety", "recitation", "prohibited_content", "blocklist",
    "guardrail_intervened", "sensitive",
})  # fmt: skip


def reply_of(model: str, said: Completion) -> Reply:
    outcome = _ended(said)
    return Reply(
        model=model,
        outcome=outcome,
        text=said.text,
        reasoning=said.reasoning,
        thought_in=said.thought_in,
        model_answered=said.model or model[:100],
        usage=said.usage,
        reported_cost=said.cost,
        upstream_cost=said.upstream,
        byok=said.byok,
        error=None if outcome is Outcome.ANSWERED else f"{model}: {_complaint(outcome, said)}",
        notes=said.notes,
    )


def _ended(said: Completion) -> Outcome:
    finish, blank = said.finish.lower(), not (said.text or "").strip()
    if said.failure is not None:
        return Outcome.UNAVAILABLE
    if finish in _BY_A_FILTER or (said.refusal and blank):
        return Outcome.REFUSED
    if finish in _AT_THE_LIMIT:
        return Outcome.TRUNCATED
    return Outcome.EMPTY if blank else Outcome.ANSWERED


def _complaint(outcome: Outcome, said: Completion) -> str:
    eaten = _eaten(said)
    match outcome:
        case Outcome.UNAVAILABLE:
            return f"the provider failed while it answered: {' '.join((said.failure or '').split())[:200]}"
        case Outcome.REFUSED if said.refusal:
            return f"the model refused: {' '.join(said.refusal.split())[:500]}"
        case Outcome.REFUSED:
            return "the provider's content filter stopped the answer"
        case Outcome.TRUNCATED:
            return f"the answer was cut at max_tokens; raise it in config/models.yaml{eaten}"
    return f"the answer is empty{eaten}"


def _eaten(said: Completion) -> str:
    """Where reasoning has taken all that an answer may have, that is what there is to change."""
    thought = said.usage.reasoning if said.usage else 0
    if (said.text or "").strip() or not (thought or said.reasoning):
        return ""
    amount = f"{thought} tokens" if thought else f"{len(said.reasoning or '')} signs"
    return f"; all of it went into reasoning ({amount}): lower reasoning_effort, or raise max_tokens"
