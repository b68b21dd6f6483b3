"""Kill anything at any moment: no decision lost, none twice, no second order, balanced books."""

import os
import signal
from pathlib import Path

import pytest

from tests.chaos.invariants import check_books, check_database, check_log, read_log
from tests.chaos.pipeline import Pipeline, pipeline, until

STEPS = [
    ("context", "context.before_publish:2"),
    ("decider", "decider.after_answer:2"),
    ("decider", "decider.before_emit:2"),
    ("validator", "validator.before_emit:2"),
    ("executor", "executor.before_store:2"),
    ("executor", "executor.after_store:1"),
    ("executor", "executor.after_submit:1"),
    ("ledger", "ledger.after_store:5"),
    ("feed", "feed.before_tick:40"),
]


async def verify(run: Pipeline) -> None:
    await run.quiet()
    log = await read_log(run.bus)
    check_log(log)
    await check_books(run.bus, log)
    await check_database(run.mongodb_url, log)
    assert log.of("order.placed") and log.of("order.filled"), "a run without orders shows nothing"


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_each_worker_is_killed_in_the_middle_of_a_message_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    async with pipeline(tmp_path / "state") as run:
        await run.progress(5)
        for name, failpoint in STEPS:
            await run.kill_at(name, failpoint)
            await run.progress(2)
        await verify(run)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_servers_are_killed_and_all_workers_go_on_by_themselves(tmp_path: Path) -> None:
    async with pipeline(tmp_path / "state") as run:
        await run.progress(5)
        pids = {worker.instance: worker.child.pid for worker in run.run.supervisor.workers if worker.child}
        for server in ("nats", "mongodb", "redis", "nats"):
            await run.kill_server(server)
            await run.progress(5)
        assert pids == {w.instance: w.child.pid for w in run.run.supervisor.workers if w.child}, (
            "a worker was restarted"
        )
        await verify(run)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_two_copies_of_each_worker_give_each_decision_and_each_order_once(tmp_path: Path) -> None:
    replicas = "context=2,decider=2,validator=2,executor=2,ledger=2"
    async with pipeline(tmp_path / "state", replicas=replicas) as run:
        await run.progress(10)
        for name in ("context", "executor", "decider", "validator"):
            (first, second) = run.workers(name)
            assert first.child is not None
            os.kill(first.child.pid, signal.SIGTERM)
            await until(lambda w=first: w.last_exit is not None, f"{first.instance} ends")  # type: ignore[misc]
            assert first.last_exit == 0, f"{first.instance} did not end in order: {first.last_exit}"
            assert second.child is not None
            await run.progress(5)
        await verify(run)
