"""What goes wrong with a model is an abstention with its reason: LiteLLM over HTTP against a scripted server."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.decider.domain.policy import Limits
from services.decider.handlers import decide
from tests.fakes.decider_contexts import context
from tests.fakes.model_server import Answer, Drop, ModelServer, Raw, Status, model_server
from tests.integration.deciding import GPT, KEY, asking, decision, outcomes

pytestmark = pytest.mark.integration


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


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
