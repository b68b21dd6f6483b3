"""A span for each call of a model, by OpenTelemetry's GenAI conventions. Without its package there are none.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.replies import Outcome, Reply
from services.decider.ports import Models

_SENT = {"max_tokens": "gen_ai.request.max_tokens", "temperature": "gen_ai.request.temperature",
         "seed": "gen_ai.request.seed"}  # fmt: skip


def traced(models: Models) -> Models:
    """The same models with spans, where opentelemetry-api is installed."""
    if importlib.util.find_spec("opentelemetry") is None:
        return models
    trace: Any = importlib.import_module("opentelemetry.trace")
    return TracedModels(models, trace.get_tracer("perpetua.decider"))


class TracedModels:
    """`tracer` as OpenTelemetry's. Prompts and answers are in the decision's record, never in a span."""

    def __init__(self, models: Models, tracer: Any) -> None:
        self._models = models
        self._tracer = tracer

    async def call(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]], timeout_s: float) -> Reply:
        with self._tracer.start_as_current_span(f"chat {entry.id}", attributes=_asked(entry)) as span:
            reply = await self._models.call(entry, messages, timeout_s)
            for name, value in _answered(reply).items():
                span.set_attribute(name, value)
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
