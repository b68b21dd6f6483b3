"""Answers that are kept in Redis: a redelivered context is answered by them."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.decider.adapters.redis import RedisAnswers
from services.decider.application.deciding import decide
from services.decider.domain.replies import Outcome, Reply
from services.decider.ports import StoreAway
from tests.fakes.decider_contexts import context
from tests.fakes.decider_ports import MemoryAnswers
from tests.fakes.model_server import Answer, ModelServer, Status, model_server
from tests.integration.deciding import asking, decision, outcomes

pytestmark = pytest.mark.integration


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


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
    assert [call.model_copy(update={"cached": False}) for call in again.calls] == list(first.calls)
    assert all(call.cached for call in again.calls)
    assert again.decision == first.decision


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
