"""Kill anything at any moment: no decision lost, none twice, no second order, balanced books."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.chaos.invariants import check_books, check_database, check_log, read_log
from tests.chaos.pipeline import Pipeline, pipeline

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
    log = await read_log(run.bus)
    check_log(log)
    await check_books(run.bus, log)
    await check_database(run.mongodb_url, log)
    assert log.of("order.placed") and log.of("order.filled"), "a run without orders shows nothing"


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
