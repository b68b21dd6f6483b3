"""The decider as a process on a real bus: one proposal per context, also when it is killed in between."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import nats
import pytest
from nats.js import JetStreamContext
from redis.asyncio import Redis

from libs.runtime.clock import WallClock
from libs.runtime.provision import provision_nats
from libs.schemas import ids, subjects
from libs.schemas.names import key_of
from services.decider.adapters.redis import LEASE_MS, RedisAnswers
from services.decider.app import create_app, models_of
from services.decider.application.deciding import decide
from services.decider.ports import AnswerStore, Deps, Models
from services.decider.settings import Settings
from tests.fakes.decider_ports import StoppedClock, deps
from tests.fakes.model_server import Answer, model_server
from tests.integration.decider_process import OWN_MODEL, fresh, living, process, proposals, publish
from tests.integration.deciding import decision
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    connection = await nats.connect(nats_url)
    stream = connection.jetstream(timeout=PATIENCE_S)
    await provision_nats(stream)
    yield stream
    await connection.close()


async def test_every_context_gets_one_proposal_under_its_own_id(
    js: JetStreamContext, nats_url: str, redis_url: str
) -> None:
    worker = create_app(Settings(nats_url=nats_url, redis_url=redis_url, llm_model="builtin/trend"))
    await worker.start()
    try:
        await publish(js, *(fresh(str(n)) for n in range(20)))
        found = await proposals(js, 20)
        last = await js.get_last_msg("DECISIONS", subjects.decision_proposed(key_of("scalper")))
    finally:
        await worker.stop()
    assert {p.decision_id for p in found} == {ids.decision_id(f"ctx-{n}", "live") for n in range(20)}
    assert {p.status for p in found} == {"proposed"}
    assert (await js.stream_info("DECISIONS")).state.messages == 20
    assert last.headers is not None
    assert last.headers["Nats-Msg-Id"].endswith(found[-1].decision_id)
    assert worker.registry.get_sample_value(
        "perpetua_decider_decisions_total", {"status": "proposed", "reason": ""}
    ) == 20  # fmt: skip


async def test_decisions_run_side_by_side(js: JetStreamContext, nats_url: str, redis_url: str) -> None:
    async with model_server() as server:
        server.then(*[Answer(decision(), beside=2)] * 8)  # one after the other would wait in vain
        settings = Settings(nats_url=nats_url, redis_url=redis_url, llm_model=OWN_MODEL, llm_base_url=server.url)
        worker = create_app(settings)
        await worker.start()
        try:
            await publish(js, *(fresh(str(n)) for n in range(8)))
            found = await proposals(js, 8)
        finally:
            await worker.stop()
    assert {p.status for p in found} == {"proposed"}


@pytest.mark.slow
@pytest.mark.parametrize("failpoint", ["decider.after_answer", "decider.before_emit"])
async def test_killed_after_the_answer_it_decides_the_same_and_pays_once(
    js: JetStreamContext, nats_url: str, redis_url: str, failpoint: str
) -> None:
    async with model_server() as server:
        server.then(Answer(decision(confidence=61)), Answer(decision(confidence=99)))
        async with process(nats_url, redis_url, server, PERPETUA_FAILPOINT=failpoint) as first:
            await publish(js, fresh("1"))
            assert await asyncio.wait_for(first.wait(), 120) == -signal.SIGKILL
        async with living(nats_url, redis_url, server):
            (found,) = await proposals(js, 1)
        paid = len(server.requests)
    assert found.decision is not None
    assert found.decision.decisions[0].confidence == 61
    assert paid == 1


async def test_two_workers_with_the_same_context_at_once_pay_one_call(
    js: JetStreamContext, nats_url: str, redis_url: str
) -> None:
    """As when the bus delivers again what a worker that hangs has in hand: each decides, one of them pays."""
    async with model_server() as server:
        server.then(Answer(decision(confidence=61), delay_s=1.0), Answer(decision(confidence=99)))
        settings = Settings(nats_url=nats_url, redis_url=redis_url, llm_model=OWN_MODEL, llm_base_url=server.url)
        answers = [RedisAnswers(redis_url) for _ in range(2)]
        models = models_of(settings)
        await models.start()
        try:
            wired = [_deps(models, each) for each in answers]
            found = await asyncio.gather(*(decide(each, fresh("1")) for each in wired))
        finally:
            await asyncio.gather(models.stop(), *(each.stop() for each in answers))
        assert len(server.requests) == 1
    assert [p.decision.decisions[0].confidence for p in found if p.decision] == [61, 61]
    assert sorted(p.calls[0].cached for p in found) == [False, True]


async def test_the_claim_of_a_worker_that_died_lapses(redis_url: str) -> None:
    dead, living = RedisAnswers(redis_url), RedisAnswers(redis_url)
    try:
        async with dead.claim("dec-1:1") as first, living.claim("dec-1:1") as second:
            assert (first, second) == (True, False)
            async with living.claim("dec-1:2") as other:
                assert other
        async with living.claim("dec-1:1") as again:
            assert again
            await asyncio.sleep(LEASE_MS / 1000 * 0.3)
            async with Redis.from_url(redis_url) as redis:
                left = await redis.pttl("perpetua:decider:claims:dec-1:1")
            assert LEASE_MS * 0.75 < left <= LEASE_MS  # renewed, or it would be less
    finally:
        await asyncio.gather(dead.stop(), living.stop())


def _deps(models: Models, answers: AnswerStore) -> Deps:
    made = deps(models, StoppedClock(), default_model=OWN_MODEL, answers=answers)
    return replace(made, clock=WallClock(), sleep=asyncio.sleep)
