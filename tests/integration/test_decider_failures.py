"""What goes wrong with a model is an abstention with its reason: LiteLLM over HTTP against a scripted server."""

import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from libs.schemas.decision import DecisionProposed
from services.decider.application import models_file
from services.decider.application.deciding import decide
from services.decider.domain.policy import CallLimits
from services.decider.metrics import DeciderMetrics
from tests.fakes.decider_contexts import context
from tests.fakes.decider_ports import CONFIG
from tests.fakes.model_server import Answer, Drop, ModelServer, Raw, Status, model_server
from tests.integration.deciding import GPT, KEY, asking, decision, outcomes

pytestmark = pytest.mark.integration


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


SECOND = "openrouter/x-ai/grok-4"
UPSTREAM = {
    "choices": [
        {
            "index": 0,
            "finish_reason": "error",
            "error": {"code": 502, "message": "upstream broke"},
            "message": {"role": "assistant", "content": '{"decisions": ['},
        }
    ]
}
CUT = Answer('{"decisions": [', finish_reason="length")
HTML, DROP = Raw("<html>"), Drop()


def inside(code: int) -> Raw:
    """OpenRouter answers 200 before its upstream does; an error then stands in the body."""
    return Raw(json.dumps({"error": {"message": "no", "code": code}, "user_id": "u"}))


# What the server does, the reason to abstain, and each call's outcome as recorded and counted.
FAILURES: list[tuple[str, list[Any], str, list[str]]] = [
    ("401 is not tried again", [Status(401)], "auth", ["auth"]),
    ("403 is not tried again", [Status(403)], "auth", ["auth"]),
    ("402 is like a refused key", [Status(402)], "auth", ["auth"]),
    ("401 inside of 200", [inside(401)], "auth", ["auth"]),
    ("402 inside of 200", [inside(402)], "auth", ["auth"]),
    ("404 is an unknown model", [Status(404)], "unknown_model", ["unavailable"]),
    ("400 is a refusal", [Status(400)], "refused", ["refused"]),
    ("422 is a refusal", [Status(422)], "refused", ["refused"]),
    ("403 by the moderation is a refusal", [Status(403, "your input was flagged")], "refused", ["refused"]),
    ("429 is tried once more", [Status(429)] * 2, "rate_limited", ["rate_limited"] * 2),
    ("429 inside of 200 is tried once more", [inside(429)] * 2, "rate_limited", ["rate_limited"] * 2),
    ("408 is tried twice more", [Status(408)] * 3, "timeout", ["timeout"] * 3),
    ("504 is tried twice more", [Status(504)] * 3, "timeout", ["timeout"] * 3),
    ("500 is tried twice more", [Status(500)] * 3, "unavailable", ["unavailable"] * 3),
    ("503 is tried twice more", [Status(503)] * 3, "unavailable", ["unavailable"] * 3),
    ("529 is tried twice more", [Status(529)] * 3, "unavailable", ["unavailable"] * 3),
    ("a dropped connection is tried twice more", [DROP] * 3, "unavailable", ["unavailable"] * 3),
    ("a body that is no JSON is tried twice more", [HTML] * 3, "unavailable", ["unavailable"] * 3),
    ("an error inside of 200 is tried twice more", [inside(500)] * 3, "unavailable", ["unavailable"] * 3),
    ("an answer that broke off", [Raw(json.dumps(UPSTREAM))] * 3, "unavailable", ["unavailable"] * 3),
    ("the content filter", [Answer("", finish_reason="content_filter")], "refused", ["refused"]),
    ("a cut answer is asked for once more", [CUT, CUT], "invalid", ["invalid"] * 2),
    ("an empty answer", [Answer("")], "invalid", ["invalid"]),
    ("no answer at all", [Answer(None)], "invalid", ["invalid"]),
    ("nonsense is repaired once", [Answer("buy"), Answer("sell")], "invalid", ["invalid"] * 2),
    ("failures of all kinds end at the cap", [Status(500), CUT, Answer("buy"), Status(500)], "call_cap",
     ["unavailable", "invalid", "invalid", "unavailable"]),
]  # fmt: skip


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
    assert [call.attempt for call in proposal.calls] == list(range(1, len(expected) + 1))
    assert all(call.error and call.prompt_sha256 and call.system_prompt for call in proposal.calls)
    assert all(call.latency_ms > 0 for call in proposal.calls)
    assert counted(proposal) == Counter(expected)


@pytest.mark.parametrize(
    ("script", "reason", "expected"), [f[1:] for f in FAILURES[:-1]], ids=[f[0] for f in FAILURES[:-1]]
)
async def test_after_any_failure_the_next_model_of_the_chain_decides(
    server: ModelServer, script: list[Any], reason: str, expected: list[str]
) -> None:
    server.then(*script, Answer(decision()))
    async with asking(server) as real:
        proposal = await decide(replace(real, default_model=f"{GPT},{SECOND}"), context())
    assert (proposal.status, outcomes(proposal)) == ("proposed", [*expected, "ok"])
    assert [call.model_requested for call in proposal.calls] == [GPT] * len(expected) + [SECOND]
    assert [request.body["model"] for request in server.requests][-1] == "x-ai/grok-4"


def counted(proposal: DecisionProposed) -> Counter[str]:
    """Calls by outcome as the metrics have them."""
    registry = CollectorRegistry()
    DeciderMetrics(registry, models_file.load(CONFIG), lambda: proposal.proposed_at).observe(proposal)
    found: Counter[str] = Counter()
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.name == "perpetua_decider_calls_total":
                found[sample.labels["outcome"]] += int(sample.value)
    return found


async def test_a_cut_answer_is_asked_for_with_a_larger_limit(server: ModelServer) -> None:
    server.then(CUT, Answer(decision()))
    async with asking(server) as real:
        proposal = await decide(real, context())
    assert (proposal.status, outcomes(proposal)) == ("proposed", ["invalid", "ok"])
    sent = [request.body.get("max_tokens") or request.body.get("max_completion_tokens") for request in server.requests]
    assert sent == [8_000, 16_000]


async def test_whitespace_before_an_answer_is_no_trouble(server: ModelServer) -> None:
    """OpenRouter keeps a connection open by it while a slow model thinks."""
    body = {"choices": [{"message": {"role": "assistant", "content": decision()}, "finish_reason": "stop"}]}
    server.then(Raw("\n         \n" * 5 + json.dumps(body)))
    async with asking(server) as real:
        proposal = await decide(real, context())
    assert (proposal.status, outcomes(proposal)) == ("proposed", ["ok"])


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
    server.then(*[Raw(json.dumps(body))] * 3)
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


async def test_a_429_with_a_date_waits_until_then(server: ModelServer) -> None:
    server.then(Status(429, headers={"Retry-After": "Mon, 04 May 2026 12:00:00 GMT"}), Answer(decision()))
    async with asking(server) as real:
        proposal = await decide(real, context())
    assert outcomes(proposal) == ["rate_limited", "ok"]  # a date that has passed is not waited for


async def test_a_date_beyond_the_deadline_is_not_waited_for(server: ModelServer) -> None:
    server.then(Status(429, headers={"Retry-After": "Fri, 20 Nov 2099 00:00:00 GMT"}))
    async with asking(server) as real:
        proposal = await decide(real, context())
    assert (proposal.abstain_reason, len(server.requests)) == ("rate_limited", 1)


async def test_a_retry_after_beyond_the_deadline_is_not_waited_for(server: ModelServer) -> None:
    server.then(Status(429, headers={"retry-after": "3600"}))
    async with asking(server) as real:
        proposal = await decide(real, context())
    assert (proposal.abstain_reason, len(server.requests)) == ("rate_limited", 1)


async def test_a_slow_model_ends_at_the_deadline(server: ModelServer) -> None:
    server.then(Answer(decision(), delay_s=60))
    async with asking(server, limits=CallLimits(deadline_s=0.5)) as real:
        begun = real.clock.monotonic()
        proposal = await decide(real, context())
        took = real.clock.monotonic() - begun
    assert (proposal.abstain_reason, outcomes(proposal)) == ("timeout", ["timeout"])
    assert 0.4 < took < 50


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
