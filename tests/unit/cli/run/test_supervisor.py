import asyncio
import itertools
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cli.errors import CliError
from cli.run import supervisor as supervising
from cli.run.backoff import Backoff
from cli.run.supervised import SupervisedWorker
from cli.run.supervisor import Supervisor

SLEEPS = "import time; time.sleep(60)"
STUBBORN = (
    "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a process's state has no event
            await asyncio.sleep(0.01)


def worker(tmp_path: Path, name: str, code: str, *arguments: str) -> SupervisedWorker:
    argv = [sys.executable, "-S", "-c", code, *arguments]
    return SupervisedWorker(name, 1, tmp_path / f"{name}-1.log", lambda port: {}, argv)


async def always_ready(port: int, path: str) -> tuple[int, str] | None:
    return 200, "{}"


async def never_ready(port: int, path: str) -> tuple[int, str] | None:
    return 503, '{"ready": false, "checks": {"nats": false, "started": false, "market": false}}'


async def test_a_killed_worker_is_said_and_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor([worker(tmp_path, "context", SLEEPS)], said=said.append, probe=always_ready)
    supervisor.start()
    try:
        await supervisor.until_ready()
        (one,) = supervisor.workers
        assert one.child is not None
        first = one.child.pid
        one.child.signal(9)
        await until(lambda: one.restarts == 1 and one.state == "ready")
        assert one.child is not None
        assert one.child.pid != first
        assert supervisor.restarts == 1
        assert said == ["context-1 killed by SIGKILL; starts again in 1 s", "context-1 is back"]
    finally:
        await supervisor.stop()


async def test_a_stop_leaves_no_process_and_ends_the_feed_first(tmp_path: Path) -> None:
    workers = [worker(tmp_path, name, SLEEPS) for name in ("feed", "context", "ledger")]
    supervisor = Supervisor(workers, probe=always_ready)
    supervisor.start()
    await supervisor.until_ready()
    pids = [one.child.pid for one in workers if one.child]
    await supervisor.stop()
    assert len(pids) == 3
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert {one.state for one in workers} == {"stopped"}
    await supervisor.stop()


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "STOP_S", 0.3)
    said: list[str] = []
    deaf = tmp_path / "deaf"
    stubborn = worker(tmp_path, "executor", STUBBORN, str(deaf))
    supervisor = Supervisor([stubborn], said=said.append, probe=always_ready)
    supervisor.start()
    await supervisor.until_ready()
    await until(deaf.exists)
    assert stubborn.child is not None
    pid = stubborn.child.pid
    await supervisor.stop()
    assert not psutil.pid_exists(pid)
    assert "was killed" in said[0]


async def test_one_that_keeps_dying_ends_the_start_with_its_last_words(tmp_path: Path) -> None:
    dies = worker(tmp_path, "ledger", "import sys; sys.exit('no such database')")
    dies.backoff = nearly_given_up()
    supervisor = Supervisor([dies], probe=never_ready)
    supervisor.start()
    try:
        with pytest.raises(CliError) as raised:
            await supervisor.until_ready(patience=30)
    finally:
        await supervisor.stop()
    assert "ledger-1 does not start" in raised.value.message
    assert "no such database" in raised.value.message
    assert "ledger-1.log" in raised.value.hint


def nearly_given_up() -> Backoff:
    """Two deaths behind it: the third is one too many, without waiting for the first two."""
    return Backoff(deaths=supervising.HOPELESS_DEATHS - 1)


async def test_one_that_never_gets_ready_is_named_with_its_reason(tmp_path: Path) -> None:
    supervisor = Supervisor([worker(tmp_path, "gateway", SLEEPS)], probe=never_ready)
    supervisor.start()
    try:
        await until(lambda: bool(supervisor.workers[0].unready_because))
        with pytest.raises(CliError, match=r"stands still.*gateway-1 waits for NATS and the market"):
            await supervisor.until_ready(patience=0.1)
    finally:
        await supervisor.stop()


async def test_a_slow_start_goes_on_for_as_long_as_one_after_the_other_gets_ready(tmp_path: Path) -> None:
    workers = [worker(tmp_path, name, SLEEPS) for name in ("context", "ledger")]
    slow = {"context": 1.2, "ledger": 2.4}
    began = time.monotonic()

    async def in_turn(port: int, path: str) -> tuple[int, str] | None:
        (name,) = (one.name for one in workers if one.port == port)
        return (200 if time.monotonic() - began > slow[name] else 503), "{}"

    supervisor = Supervisor(workers, probe=in_turn)
    supervisor.start()
    try:
        await supervisor.until_ready(patience=2.0)
    finally:
        await supervisor.stop()


def busy(text: str, done: int) -> tuple[int, str]:
    told = {"ready": False, "checks": {"nats": True, "market": False}, "doing": {"text": text, "done": done}}
    return 503, json.dumps(told)


async def test_a_start_goes_on_for_as_long_as_a_worker_says_that_it_does_more(tmp_path: Path) -> None:
    began, patience, takes = time.monotonic(), 2.0, 4.0

    async def reads(port: int, path: str) -> tuple[int, str] | None:
        passed = time.monotonic() - began
        return (200, "{}") if passed > takes else busy("reads candles", 14_600 + int(passed * 100))

    supervisor = Supervisor([worker(tmp_path, "context", SLEEPS)], probe=reads, steps=lambda worker: 0)
    supervisor.start()
    try:
        await until(lambda: "reads candles" in supervisor.waited_for)
        assert re.fullmatch(r"0/1, context-1 reads candles, 14 \d{3} so far", supervisor.waited_for)
        await supervisor.until_ready(patience=patience)
        assert supervisor.waited_for == "1/1"
    finally:
        await supervisor.stop()
    assert time.monotonic() - began > takes


async def test_what_begins_anew_again_and_again_is_no_progress(tmp_path: Path) -> None:
    counts = itertools.cycle(range(1, 40))

    async def circles(port: int, path: str) -> tuple[int, str] | None:
        return busy("reads what is stored", next(counts))

    supervisor = Supervisor([worker(tmp_path, "context", SLEEPS)], probe=circles)
    supervisor.start()
    try:
        with pytest.raises(CliError, match=r"stands still.*reads what is stored, [0-9]+ so far"):
            await supervisor.until_ready(patience=2.0)
    finally:
        await supervisor.stop()


async def test_a_process_that_is_still_loading_makes_progress_by_its_processor_time(tmp_path: Path) -> None:
    began, loads = time.monotonic(), 4.0

    async def loading(port: int, path: str) -> tuple[int, str] | None:
        return (200, "{}") if time.monotonic() - began > loads else None

    def steps(worker: SupervisedWorker) -> int:
        return int(10 * (time.monotonic() - began))

    supervisor = Supervisor([worker(tmp_path, "decider", SLEEPS)], probe=loading, steps=steps)
    supervisor.start()
    try:
        await until(lambda: supervisor.waited_for == "0/1, decider-1 is loading")
        await supervisor.until_ready(patience=2.0)
    finally:
        await supervisor.stop()


async def test_the_feed_starts_when_all_others_are_ready(tmp_path: Path) -> None:
    ready: set[int] = set()

    async def probe(port: int, path: str) -> tuple[int, str] | None:
        return (200, "{}") if port in ready else None

    feed, context = worker(tmp_path, "feed", SLEEPS), worker(tmp_path, "context", SLEEPS)
    supervisor = Supervisor([feed, context], probe=probe)
    supervisor.start()
    try:
        assert (feed.child, feed.state) == (None, "new")
        ready.add(context.port)
        await until(lambda: feed.child is not None)
        ready.add(feed.port)
        await supervisor.until_ready()
    finally:
        await supervisor.stop()
    assert supervisor.restarts == 0
