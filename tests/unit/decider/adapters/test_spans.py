"""A span a call, with the names that OpenTelemetry has agreed on and nothing of what was said."""

from libs.runtime import tracing
from libs.runtime.otel import OtelTracer
from libs.schemas.decision import TokenUsage
from services.decider.adapters.spans import TracedModels
from services.decider.application import models_file
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.replies import Outcome, Reply
from tests.fakes.decider_ports import CONFIG, ScriptedModels, StoppedClock
from tests.fakes.otlp import collecting


async def test_a_call_is_a_span_with_its_model_its_tokens_and_its_error() -> None:
    usage = TokenUsage(prompt=900, completion=80)
    script = (
        Reply(model="m", outcome=Outcome.ANSWERED, text="secret", model_answered="gpt-5-0605", usage=usage),
        Reply(model="m", outcome=Outcome.RATE_LIMITED),
    )
    entry = models_file.load(CONFIG).find("openrouter/openai/gpt-5")
    assert isinstance(entry, CatalogueEntry)
    models = TracedModels(ScriptedModels(StoppedClock(), *script))
    with collecting() as collector:
        tracer = OtelTracer("decider", "d-1", collector.url, 1)
        before = tracing.install(tracer)
        with tracing.span("a message"):
            for _ in script:
                await models.call(entry, ({"role": "user", "content": "a prompt"},), 5)
        tracing.install(before)
        tracer.end(5)
    good, bad, _ = collector.spans
    assert good.name == "chat openrouter/openai/gpt-5"
    assert good.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openrouter",
        "gen_ai.request.model": "openrouter/openai/gpt-5",
        "gen_ai.request.max_tokens": "8000",
        "gen_ai.request.seed": "7",
        "gen_ai.response.model": "gpt-5-0605",
        "gen_ai.usage.input_tokens": "900",
        "gen_ai.usage.output_tokens": "80",
    }
    assert bad.attributes["error.type"] == "rate_limited"
