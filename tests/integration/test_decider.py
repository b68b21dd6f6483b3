"""The decider's model calls for real: LiteLLM over HTTP against a scripted server."""

import json
from collections.abc import AsyncIterator

import pytest

from services.decider.application.deciding import decide
from tests.fakes.decider_contexts import context
from tests.fakes.model_server import Answer, ModelServer, model_server
from tests.integration.deciding import GPT, KEY, asking, decision, outcomes

pytestmark = pytest.mark.integration


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


async def test_a_good_answer_becomes_a_proposal_with_the_providers_own_cost(server: ModelServer) -> None:
    server.then(Answer(decision(), cost=0.0123, reasoning="because"))
    async with asking(server) as real:
        proposal = await decide(real, context())
    (call,) = proposal.calls
    assert (proposal.status, call.outcome, proposal.missing) == ("proposed", "ok", ())
    assert (call.cost_usd, call.cost_source) == (0.0123, "provider")
    assert call.usage is not None
    assert (call.usage.prompt, call.usage.completion) == (1_000, 200)
    assert (call.model_requested, call.model_answered, call.reasoning) == (GPT, "openai/gpt-5-0605", "because")
    assert call.raw_response == decision()
    assert proposal.timing.model is not None
    assert proposal.timing.model >= call.latency_ms > 0


async def test_the_request_carries_the_schema_the_key_and_the_recorded_prompt(server: ModelServer) -> None:
    server.then(Answer(decision()))
    async with asking(server) as real:
        proposal = await decide(real, context())
    (request,), (call,) = server.requests, proposal.calls
    assert request.path.endswith("/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["model"] == "openai/gpt-5"
    assert [m["content"] for m in request.body["messages"]] == [call.system_prompt, call.user_prompt]
    schema = request.body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["additionalProperties"] is False
    assert request.body["provider"] == {"require_parameters": True}
    assert request.body["usage"] == {"include": True}
    assert (request.body["seed"], request.body["reasoning_effort"]) == (7, "low")
    assert "litellm" not in json.dumps(dict(request.headers)).replace(request.headers.get("user-agent", ""), "")


@pytest.mark.parametrize(
    ("model", "form"),
    [
        (GPT, "json_schema"),
        ("openrouter/x-ai/grok-4", "json_schema"),
        ("openrouter/deepseek/deepseek-r1", "json_object"),
        ("openrouter/anthropic/claude-sonnet-4.5", "json_schema"),
        ("openrouter/google/gemini-2.5-pro", "json_schema"),
        ("openai-compatible/qwen3:14b", "json_object"),
    ],
)
async def test_every_model_of_the_catalogue_can_be_called_with_its_own_parameters(
    server: ModelServer, model: str, form: str
) -> None:
    server.then(Answer(decision()))
    async with asking(server) as real:
        entry = real.catalogue.find(model)
        proposal = await decide(real, context(model=model))
    (request,) = server.requests
    assert proposal.status == "proposed", proposal.abstain_detail
    assert request.body["response_format"]["type"] == form
    sent = {name: request.body.get(name) for name in entry.params}  # type: ignore[union-attr]
    assert sent == dict(entry.params)  # type: ignore[union-attr]
    assert "follows this schema" in proposal.calls[0].system_prompt  # not every host heeds `response_format`


async def test_an_own_server_needs_no_key_and_its_cost_is_unknown(server: ModelServer) -> None:
    server.then(Answer(decision()))
    async with asking(server, key=None) as real:
        proposal = await decide(real, context(model="openai-compatible/qwen3:14b"))
    assert server.requests[0].body["model"] == "qwen3:14b"
    assert proposal.status == "proposed"
    assert (proposal.calls[0].cost_usd, proposal.calls[0].cost_source) == (None, "unknown")


async def test_without_a_reported_cost_the_catalogue_prices_the_tokens(server: ModelServer) -> None:
    server.then(Answer(decision()))
    async with asking(server) as real:
        (call,) = (await decide(real, context())).calls
    assert call.cost_usd == pytest.approx((1_000 * 1.25 + 200 * 10) / 1e6)
    assert call.cost_source == "catalogue"


async def test_without_usage_the_cost_is_unknown_and_never_zero(server: ModelServer) -> None:
    server.then(Answer(decision(), usage=None))
    async with asking(server) as real:
        (call,) = (await decide(real, context())).calls
    assert (call.outcome, call.usage, call.cost_usd, call.cost_source) == ("ok", None, None, "unknown")


async def test_a_malformed_answer_is_repaired_in_one_turn_that_quotes_the_errors(server: ModelServer) -> None:
    server.then(Answer(decision(confidence=170)), Answer(decision(confidence=70)))
    async with asking(server) as real:
        proposal = await decide(real, context())
    assert outcomes(proposal) == ["invalid", "repaired"]
    turn = server.requests[1].body["messages"]
    assert [m["role"] for m in turn] == ["system", "user", "assistant", "user"]
    assert turn[2]["content"] == decision(confidence=170)
    assert "decisions.0.confidence: Input should be less than or equal to 100 (given: 170)" in turn[3]["content"]
    assert proposal.decision is not None
    assert proposal.decision.decisions[0].confidence == 70


async def test_twice_malformed_abstains(server: ModelServer) -> None:
    server.then(Answer("I would rather buy."), Answer("Sorry, here it is: buy."))
    async with asking(server) as real:
        proposal = await decide(real, context())
    assert (proposal.status, proposal.abstain_reason) == ("abstained", "invalid")
    assert outcomes(proposal) == ["invalid", "invalid"]
    assert [call.raw_response for call in proposal.calls] == ["I would rather buy.", "Sorry, here it is: buy."]


async def test_builtin_trend_goes_the_same_way_as_any_model(server: ModelServer) -> None:
    async with asking(server) as real:
        proposal = await decide(real, context(model="builtin/trend"))
    (call,) = proposal.calls
    assert proposal.decision is not None, proposal.abstain_detail
    assert (call.outcome, call.provider, call.cost_usd, call.cost_source) == ("ok", "builtin", 0, "catalogue")
    assert call.usage is not None
    assert call.usage.prompt > 100
    assert json.loads(call.raw_response or "")["decisions"][0]["action"] == "buy"
    assert {row.action for row in proposal.decision.decisions} == {"buy", "hold"}
    assert server.requests == []
