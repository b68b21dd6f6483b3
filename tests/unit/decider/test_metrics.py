"""What is counted of calls, decisions and keys."""

from typing import Any

from prometheus_client import CollectorRegistry

from libs.schemas.decision import TokenUsage
from services.decider.application import models_file
from services.decider.application.deciding import decide
from services.decider.domain.authentication import Check, KeyVerdict
from services.decider.domain.replies import Outcome, Reply
from services.decider.metrics import DeciderMetrics
from tests.fakes.decider_contexts import NOW, asset, context
from tests.fakes.decider_ports import CONFIG, MemoryAnswers, ScriptedModels, StoppedClock, deps

GPT = "openrouter/openai/gpt-5"
NAMES = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openrouter", "gen_ai_request_model": GPT}


async def counted(*script: Reply, model: str = GPT, times: int = 1) -> tuple[DeciderMetrics, Any]:
    registry, clock, answers = CollectorRegistry(), StoppedClock(), MemoryAnswers()
    metrics = DeciderMetrics(registry, models_file.load(CONFIG), lambda: NOW)
    for _ in range(times):
        wired = deps(ScriptedModels(clock, *script), clock, default_model=model, answers=answers)
        metrics.observe(await decide(wired, context({"BTCUSDT": asset("BTCUSDT")})))
    return metrics, registry.get_sample_value


async def test_a_failed_call_counts_with_its_model_and_its_error() -> None:
    metrics, value = await counted(Reply(model="m", outcome=Outcome.AUTH))
    called = {"provider": "openrouter", "model": GPT}
    assert value("perpetua_decider_decisions_total", {"status": "abstained", "reason": "auth"}) == 1
    assert value("perpetua_decider_calls_total", {**called, "outcome": "auth"}) == 1
    assert value("gen_ai_client_operation_duration_seconds_count", {**NAMES, "error_type": "auth"}) == 1
    assert value("perpetua_decider_cost_dollars_total", {**called, "source": "refused"}) == 0
    assert value("perpetua_decider_cost_unknown_total", called) is None
    assert value("perpetua_decider_model_failures", called) == 1
    assert metrics.health.status().models[GPT].consecutive_failures == 1
    assert not metrics.health.status().healthy


async def test_tokens_and_dollars_count_and_a_redelivery_counts_no_call() -> None:
    answered = Reply(
        model="m", outcome=Outcome.REFUSED, usage=TokenUsage(prompt=1_000, completion=200), reported_cost=0.01
    )
    metrics, value = await counted(answered, times=2)
    called = {"provider": "openrouter", "model": GPT}
    assert value("perpetua_decider_calls_total", {**called, "outcome": "refused"}) == 1
    assert value("gen_ai_client_token_usage_sum", {**NAMES, "gen_ai_token_type": "input"}) == 1_000
    assert value("gen_ai_client_token_usage_sum", {**NAMES, "gen_ai_token_type": "output"}) == 200
    assert value("perpetua_decider_cost_dollars_total", {**called, "source": "provider"}) == 0.01
    seen = metrics.health.status().models[GPT]
    assert (seen.last_success, seen.consecutive_failures, seen.latency_ms) == (NOW, 0, 100)


async def test_models_of_an_own_server_share_one_label() -> None:
    _, value = await counted(Reply(model="m", outcome=Outcome.EMPTY), model="openai-compatible/anything")
    called = {"provider": "openai-compatible", "model": "openai-compatible/*", "outcome": "invalid"}
    assert value("perpetua_decider_calls_total", called) == 1


def test_a_key_is_a_gauge_and_a_line_of_health() -> None:
    registry = CollectorRegistry()
    metrics = DeciderMetrics(registry, models_file.load(CONFIG), lambda: NOW)
    for verdict, gauge in ((KeyVerdict.VALID, 1), (KeyVerdict.REFUSED, 0), (KeyVerdict.UNREACHABLE, -1)):
        metrics.checked(Check("openrouter", (GPT,), verdict, "HTTP 200", "x", NOW))
        assert registry.get_sample_value("perpetua_decider_key_valid", {"provider": "openrouter"}) == gauge
        assert metrics.health.detail()["authentication"][0]["verdict"] == verdict
        assert metrics.health.detail()["healthy"] is (verdict is KeyVerdict.VALID)
