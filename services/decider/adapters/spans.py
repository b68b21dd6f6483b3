"""A span for each call of a model, by OpenTelemetry's GenAI conventions.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from collections.abc import Mapping, Sequence
from typing import Any

from libs.runtime import tracing
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.replies import Outcome, Reply
from services.decider.ports import Models

_SENT = {"max_tokens": "gen_ai.request.max_tokens", "temperature": "gen_ai.request.temperature",
         "seed": "gen_ai.request.seed"}  # fmt: skip


class TracedModels:
    """Prompts and answers are in the decision's record, never in a span."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def call(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]], timeout_s: float) -> Reply:
        with tracing.client(f"chat {entry.id}", _asked(entry)) as span:
            reply = await self._models.call(entry, messages, timeout_s)
            for name, value in _answered(reply).items():
                span.set(name, value)
            return reply


def _asked(entry: CatalogueEntry) -> dict[str, Any]:
    sent = {name: entry.params[own] for own, name in _SENT.items() if own in entry.params}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": entry.provider,
        "gen_ai.request.model": entry.id,
        **sent,
    }


def _answered(reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if reply.model_answered:
        found["gen_ai.response.model"] = reply.model_answered
    if reply.usage:
        found["gen_ai.usage.input_tokens"] = reply.usage.prompt
        found["gen_ai.usage.output_tokens"] = reply.usage.completion
    if reply.outcome is not Outcome.ANSWERED:
        found["error.type"] = reply.outcome.value
    return found
