"""A span a call, with the names that OpenTelemetry has agreed on and nothing of what was said."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from libs.schemas.decision import TokenUsage
from services.decider.adapters.spans import TracedModels
from services.decider.application import models_file
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.replies import Outcome, Reply
from tests.fakes.decider_ports import CONFIG, ScriptedModels, StoppedClock


class Tracer:
    def __init__(self) -> None:
        self.spans: list[tuple[str, dict[str, Any]]] = []

    @contextmanager
    def start_as_current_span(self, name: str, attributes: dict[str, Any]) -> Iterator[Any]:
        found = dict(attributes)
        self.spans.append((name, found))

        class Span:
            def set_attribute(self, key: str, value: Any) -> None:
                found[key] = value

        yield Span()


async def test_a_call_is_a_span_with_its_model_its_tokens_and_its_error() -> None:
    tracer = Tracer()
    usage = TokenUsage(prompt=900, completion=80)
    script = (
        Reply(model="m", outcome=Outcome.ANSWERED, text="secret", model_answered="gpt-5-0605", usage=usage),
        Reply(model="m", outcome=Outcome.RATE_LIMITED),
    )
    entry = models_file.load(CONFIG).find("openrouter/openai/gpt-5")
    assert isinstance(entry, CatalogueEntry)
    models = TracedModels(ScriptedModels(StoppedClock(), *script), tracer)
    for _ in script:
        await models.call(entry, ({"role": "user", "content": "a prompt"},), 5)
    (name, good), (_, bad) = tracer.spans
    assert name == "chat openrouter/openai/gpt-5"
    assert good == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openrouter",
        "gen_ai.request.model": "openrouter/openai/gpt-5",
        "gen_ai.request.max_tokens": 8_000,
        "gen_ai.request.seed": 7,
        "gen_ai.response.model": "gpt-5-0605",
        "gen_ai.usage.input_tokens": 900,
        "gen_ai.usage.output_tokens": 80,
    }
    assert bad["error.type"] == "rate_limited"
