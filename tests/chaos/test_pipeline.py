"""Kill anything at any moment: no decision lost, none twice, no second order, balanced books."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cli.ask.records import records
from tests.chaos import by_hand
from tests.chaos.invariants import every_promise_holds, judged, read_log
from tests.chaos.pipeline import Pipeline, pipeline
from tests.chaos.second_opinion import second_opinion

pytestmark = pytest.mark.asyncio(loop_scope="module")
DEATHS = (
    ("feed", "feed.before_tick:40"),
    ("context", "context.before_publish:2"),
    ("decider", "decider.after_answer:2", "decider.before_emit:2"),
    ("validator", "validator.before_emit:2"),
    ("executor", "executor.before_store:1", "executor.after_store:1", "executor.after_submit:1"),
    ("ledger", "ledger.after_store:5", "ledger.in_batch:3"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pipeline]:
    """A run that has begun to decide. A start costs more than all that one test does with it, and what holds over the
    log holds however often it was disturbed: `going_on` hands it from one test to the next."""
    async with pipeline(tmp_path_factory.mktemp("whole") / "state") as run:
        await run.progress(5)
        yield run


@pytest_asyncio.fixture(loop_scope="module")
async def going_on(whole: Pipeline) -> Pipeline:
    if any(worker.child is None for worker in whole.workers("feed")):
        await whole.resume()
    return whole


async def verify(run: Pipeline) -> None:
    await run.quiet()
    checks = {check.promise: check.checked for check in (await every_promise_holds(run)).checks}
    assert all(count or "shadow" in promise for promise, count in checks.items()), f"a run that shows nothing: {checks}"
    assert await second_opinion(run.nats_url, run.mongodb_url) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_each_worker_is_killed_in_the_middle_of_a_message_and_nothing_is_lost_or_doubled(
    going_on: Pipeline,
) -> None:
    run = going_on
    await asyncio.gather(*(run.kill_at(name, *failpoints) for name, *failpoints in DEATHS))
    await run.progress(2)
    await verify(run)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_servers_are_killed_and_all_workers_go_on_by_themselves(going_on: Pipeline) -> None:
    run = going_on
    await run.progress(5)
    pids = {worker.instance: worker.child.pid for worker in run.run.supervisor.workers if worker.child}
    for server in ("nats", "mongodb", "redis", "nats"):
        await run.kill_server(server)
        await run.progress(5)
    assert pids == {w.instance: w.child.pid for w in run.run.supervisor.workers if w.child}, "a worker was restarted"
    await verify(run)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_what_is_broken_by_hand_is_told_and_nothing_else(going_on: Pipeline) -> None:
    """The last one of this run: what it takes out of the log does not come back."""
    run = going_on
    await run.progress(4)  # so that a first position has been open for longer than the grace
    await verify(run)
    log = await read_log(run.bus)
    async with records(run.mongodb_url) as db:
        for promise, broken in await by_hand.documents(db, log):
            async with broken:
                assert promise in await told(run)
                alone = await second_opinion(run.nats_url, run.mongodb_url)
                assert bool(alone) == promise.startswith("each wallet"), "the two judges disagree"
        assert await told(run) == ""
    for promise, stream, message in by_hand.messages(log):
        if promise not in await told(run):
            await run.bus.js.delete_msg(stream, message["sequence"])
        assert promise in (said := await told(run))
    assert await second_opinion(run.nats_url, run.mongodb_url) != []
    assert "messages are gone between its first and its last" in said


async def told(run: Pipeline) -> str:
    """The promises that are broken, with what broke them."""
    broken = [check for check in (await judged(run)).checks if check.status == "broken"]
    return "\n".join(f"{c.promise}: {b.about}: {b.said}" for c in broken for b in c.breaches)
