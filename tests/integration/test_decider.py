"""The decider's adapters for real: LiteLLM over HTTP against a scripted server, and answers in Redis."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from libs.runtime.clock import WallClock
from libs.schemas.decision import DecisionProposed
from services.decider.adapters.redis import RedisAnswers
from services.decider.app import models_of
from services.decider.domain.policy import Limits
from services.decider.domain.replies import Outcome, Reply
from services.decider.handlers import decide
from services.decider.ports import Deps, StoreAway
from services.decider.settings import Settings
from tests.fakes.decider_contexts import NOW, context
from tests.fakes.decider_ports import MemoryAnswers, StoppedClock, deps
from tests.fakes.model_server import Answer, Drop, ModelServer, Raw, Status, model_server

pytestmark = pytest.mark.integration
KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
GPT = "openrouter/openai/gpt-5"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")


class MarketNow(WallClock):
    """Real time, but market time stands where the contexts were built."""

    def now(self) -> Any:
        return NOW


def decision(confidence: float = 60, symbols: tuple[str, ...] = SYMBOLS) -> str:
    row = {"action": "hold", "exit_plan": "none", "rationale": "flat", "confidence": confidence, "risk_level": "low"}
    return json.dumps(
        {
            "decisions": [{"asset": symbol, **row} for symbol in symbols],
            "portfolio_rationale": "nothing to do",
            "total_allocation_usd": 0,
            "portfolio_risk_level": "low",
        }
    )


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


@asynccontextmanager
async def asking(server: ModelServer, *, key: str | None = KEY, limits: Limits | None = None) -> AsyncIterator[Deps]:
    """Dependencies with LiteLLM for real; both providers lead to the scripted server."""
    settings = Settings(
        openrouter_api_base=server.url,
        openrouter_api_key=SecretStr(key) if key else None,
        llm_base_url=server.url,
        llm_api_key=None,
    )
    models = models_of(settings)
    await models.start()
    clock = MarketNow()
    try:
        made = deps(models, StoppedClock(), default_model=GPT, limits=limits or Limits(backoff_s=0.01))
        yield replace(made, clock=clock, sleep=asyncio.sleep)
    finally:
        await models.stop()


def outcomes(proposal: DecisionProposed) -> list[str]:
    return [call.outcome for call in proposal.calls]


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
    assert ("follows this schema" in proposal.calls[0].system_prompt) == (form == "json_object")


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


FAILURES: list[tuple[str, list[Any], str, list[str]]] = [
    ("401 is not tried again", [Status(401)], "auth", ["auth"]),
    ("403 is not tried again", [Status(403)], "auth", ["auth"]),
    ("402 is like a refused key", [Status(402)], "auth", ["auth"]),
    ("404 is an unknown model", [Status(404)], "unknown_model", ["unavailable"]),
    ("400 is a refusal", [Status(400)], "refused", ["refused"]),
    ("429 is tried once more", [Status(429), Status(429)], "rate_limited", ["rate_limited"] * 2),
    ("500 is tried once more", [Status(500), Status(500)], "unavailable", ["unavailable"] * 2),
    ("503 is tried once more", [Status(503), Status(503)], "unavailable", ["unavailable"] * 2),
    ("a dropped connection is tried once more", [Drop(), Drop()], "unavailable", ["unavailable"] * 2),
    ("a body that is no JSON", [Raw("<html>"), Raw("<html>")], "unavailable", ["unavailable"] * 2),
    ("an error inside of 200", [Raw('{"error":{"message":"no","code":500}}')] * 2, "unavailable", ["unavailable"] * 2),
    ("the content filter", [Answer("", finish_reason="content_filter")], "refused", ["refused"]),
    ("a cut answer", [Answer('{"decisions": [', finish_reason="length")], "invalid", ["invalid"]),
    ("an empty answer", [Answer("")], "invalid", ["invalid"]),
]


@pytest.mark.parametrize(("script", "reason", "expected"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES])
async def test_a_failure_is_an_abstention_with_its_reason(
    server: ModelServer, script: list[Any], reason: str, expected: list[str]
) -> None:
    server.then(*script)
    async with asking(server) as real:
        proposal = await decide(real, context())
    assert (proposal.status, proposal.abstain_reason, proposal.decision) == ("abstained", reason, None)
    assert outcomes(proposal) == expected
    assert len(server.requests) == len(expected)  # LiteLLM retries nothing behind our back
    assert all(call.error and call.prompt_sha256 for call in proposal.calls)


ODD = [
    {"choices": []},
    {"choices": None},
    {"choices": [{"message": {"role": "assistant", "content": "\ud800"}}]},
    {"choices": [{"message": {"role": "assistant", "content": "x"}}], "usage": {"prompt_tokens": -5}},
    {"choices": [{"message": {"role": "assistant", "content": "x"}}], "usage": {"prompt_tokens": 1, "cost": -1}},
    {"choices": [{"message": {"role": "assistant", "content": "x"}}], "usage": {"prompt_tokens": "many"}},
    {"choices": [{"message": None}]},
    [],
]


@pytest.mark.parametrize("body", ODD, ids=[str(n) for n in range(len(ODD))])
@pytest.mark.parametrize("model", [GPT, "openai-compatible/x"])
async def test_an_answer_of_odd_shape_is_the_providers_failure_and_never_ours(
    server: ModelServer, body: Any, model: str
) -> None:
    server.then(*[Raw(json.dumps(body))] * 2)
    async with asking(server) as real:
        proposal = await decide(real, context(model=model))
    assert proposal.status == "abstained"
    assert proposal.abstain_reason in ("unavailable", "invalid")
    assert proposal.model_dump_json()


async def test_a_429_with_retry_after_waits_that_long_and_goes_on(server: ModelServer) -> None:
    server.then(Status(429, headers={"retry-after": "0.2"}), Answer(decision()))
    async with asking(server) as real:
        begun = real.clock.monotonic()
        proposal = await decide(real, context())
        took = real.clock.monotonic() - begun
    assert outcomes(proposal) == ["rate_limited", "ok"]
    assert took >= 0.2


async def test_a_retry_after_beyond_the_deadline_is_not_waited_for(server: ModelServer) -> None:
    server.then(Status(429, headers={"retry-after": "3600"}))
    async with asking(server) as real:
        proposal = await decide(real, context())
    assert (proposal.abstain_reason, len(server.requests)) == ("rate_limited", 1)


async def test_a_slow_model_ends_at_the_deadline(server: ModelServer) -> None:
    server.then(Answer(decision(), delay_s=30))
    async with asking(server, limits=Limits(deadline_s=0.5)) as real:
        begun = real.clock.monotonic()
        proposal = await decide(real, context())
        took = real.clock.monotonic() - begun
    assert (proposal.abstain_reason, outcomes(proposal)) == ("timeout", ["timeout"])
    assert 0.4 < took < 2


async def test_without_a_key_nothing_is_called_and_nothing_else_decides(server: ModelServer) -> None:
    async with asking(server, key=None) as real:
        proposal = await decide(real, context())
    assert (proposal.abstain_reason, outcomes(proposal)) == ("auth", ["auth"])
    assert "OPENROUTER_API_KEY" in (proposal.abstain_detail or "")
    assert server.requests == []


@pytest.mark.parametrize("key", [KEY, "plain-words-as-a-key-0815"])
async def test_the_key_is_in_no_message_and_no_log(
    server: ModelServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], key: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server.then(Status(401, message=f"no credentials for {key}"), Status(500, message=f"{key} crashed"), Drop())
    async with asking(server, key=key) as real:
        said = [await decide(real, context(name=str(n))) for n in range(2)]
    captured = capfd.readouterr()
    assert [p.abstain_reason for p in said] == ["auth", "unavailable"]
    assert f"the key ending {key[-4:]} was refused, check OPENROUTER_API_KEY" in (said[0].abstain_detail or "")
    for text in (*(p.model_dump_json() for p in said), caplog.text, captured.out, captured.err):
        assert key not in text


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


async def test_a_redelivered_context_is_answered_by_what_was_kept(server: ModelServer, redis_url: str) -> None:
    answers = RedisAnswers(redis_url)
    server.then(Status(500), Answer(decision(confidence=170)), Answer(decision(confidence=70)))
    try:
        async with asking(server) as real:
            real = replace(real, answers=answers)
            first = await decide(real, context())
            again = await decide(replace(real, default_model="builtin/trend"), context())
    finally:
        await answers.stop()
    assert outcomes(first) == ["unavailable", "invalid", "repaired"]
    assert len(server.requests) == 3
    assert (again.calls, again.decision) == (first.calls, first.decision)


async def test_kept_replies_come_back_as_they_were_and_the_first_one_counts(redis_url: str) -> None:
    answers = RedisAnswers(redis_url)
    first = Reply(model="m", outcome=Outcome.ANSWERED, text='{"a": "ü"}', latency_ms=12.5)
    second = Reply(model="m", outcome=Outcome.RATE_LIMITED, retry_after_s=3, error="slow down")
    try:
        assert await answers.kept("dec-1") == []
        assert await answers.keep("dec-1", 1, first) == first
        assert await answers.keep("dec-1", 2, second) == second
        assert await answers.keep("dec-1", 1, second) == first
        assert await answers.kept("dec-1") == [first, second]
        assert await answers.kept("dec-2") == []
    finally:
        await answers.stop()


async def test_redis_away_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    answers = RedisAnswers("redis://127.0.0.1:1/0")
    await answers.start()
    for n in range(3):
        with pytest.raises(StoreAway):
            await answers.kept(f"dec-{n}")
    await answers.stop()
    assert [r.message for r in caplog.records if "Redis" in r.message] == [caplog.records[0].message]
    assert "Redis is away" in caplog.text


async def test_the_fake_store_agrees_with_the_real_one() -> None:
    fake = MemoryAnswers()
    first, second = Reply(model="m", outcome=Outcome.EMPTY), Reply(model="m", outcome=Outcome.REFUSED)
    assert await fake.keep("dec-1", 1, first) == first
    assert await fake.keep("dec-1", 1, second) == first
    assert await fake.kept("dec-1") == [first]
