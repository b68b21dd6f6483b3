"""The whole pipeline under test: real servers, real processes, killed at will."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from cli.ask.observe import lag_of, lags
from cli.connection import connected
from cli.embedded.servers import ServerInfo, Servers
from cli.run.backoff import Backoff
from cli.run.phases import Phases
from cli.run.plan import make_plan
from cli.run.session import RunListener, RunSession, session
from cli.run.supervised import SupervisedWorker
from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror

WAIT_S = 240.0  # finds what hangs; a slow machine is not it


class Pipeline:
    """Servers and workers of one run, and a connection of the test's own."""

    def __init__(self, servers: Servers, run: RunSession, bus: Bus, infos: Mapping[str, ServerInfo]) -> None:
        self.servers = servers
        self.run = run
        self.bus = bus
        self.nats_url, self.mongodb_url = infos["nats"].url, infos["mongodb"].url

    def workers(self, name: str) -> list[SupervisedWorker]:
        return [worker for worker in self.run.supervisor.workers if worker.name == name]

    async def kill_at(self, name: str, *failpoints: str) -> None:
        """Restart a worker so that it kills itself at the first failpoint, in its next life at the second, and so on.

        Returns when it is ready again after the last one.
        """
        (worker, *_) = self.workers(name)
        clean, points = worker.env, iter(failpoints)
        armed = {failpoint: {"PERPETUA_FAILPOINT": failpoint} for failpoint in failpoints}
        worker.env = lambda port: {**clean(port), **armed.get(next(points, ""), {})}
        await self.kill(worker, ready=False)
        for failpoint in failpoints:
            await _dies(worker, failpoint)
        worker.env = clean
        await until(lambda: worker.state == "ready", f"{worker.instance} is ready again")

    async def kill(self, worker: SupervisedWorker, *, ready: bool = True) -> None:
        """SIGKILL; return when the supervisor has started it again."""
        assert worker.child is not None
        worker.backoff = Backoff()
        before = worker.restarts
        os.kill(worker.child.pid, signal.SIGKILL)
        await until(lambda: worker.restarts > before and worker.child is not None, f"{worker.instance} is restarted")
        worker.backoff = Backoff()
        if ready:
            await until(lambda: worker.state == "ready", f"{worker.instance} is ready again")

    async def renew(self, worker: SupervisedWorker) -> None:
        """SIGTERM, as an upgrade does; return when its successor is ready. Raises AssertionError where it did not end
        in order."""
        assert worker.child is not None
        before, worker.backoff = worker.restarts, Backoff()
        os.kill(worker.child.pid, signal.SIGTERM)
        await until(lambda: worker.restarts > before and worker.state == "ready", f"{worker.instance} is renewed")
        assert worker.last_exit == 0, f"{worker.instance} ended with {worker.last_exit}"

    async def kill_server(self, name: str) -> None:
        """SIGKILL to a server; return when the keeper has it back."""
        before = self.run.keeper.restarts.get(name, 0)
        self.servers.signal(name, signal.SIGKILL)
        await until(lambda: self.run.keeper.restarts.get(name, 0) > before, f"{name} is back")

    async def progress(self, decisions: int) -> None:
        """Return when so many more decisions have ended."""
        target = self.run.board.counts.decisions + decisions
        await until(lambda: self.run.board.counts.decisions >= target, f"{decisions} more decisions")

    async def quiet(self) -> None:
        """End the feed and return when nothing is waiting or in hand any more."""
        for worker in self.workers("feed"):
            child, worker.child, worker.state = worker.child, None, "stopped"  # so that nobody restarts it
            assert child is not None
            await asyncio.to_thread(child.stop)
        clock = MarketClockMirror(self.bus)
        await clock.start()
        await until(lambda: clock.paused, "the market stands still")  # until then triggers go on
        await clock.stop()
        async with asyncio.timeout(WAIT_S):
            still = 0
            while still < 5:
                waiting = await lags(self.bus)  # what is for a notifier waits where none runs
                lacking = any(lag_of(worker.name, waiting) for worker in self.run.supervisor.workers)
                still = 0 if lacking else still + 1
                await asyncio.sleep(0.2)

    async def resume(self) -> None:
        """Begin the feed again after `quiet`; return when the market goes on."""
        for worker in self.workers("feed"):
            worker.start(time.monotonic())
        await until(lambda: all(worker.state == "ready" for worker in self.workers("feed")), "the market goes on")


async def _dies(worker: SupervisedWorker, failpoint: str) -> None:
    """Return when it is started again after its death at the failpoint."""
    before = worker.restarts
    await until(lambda: worker.restarts > before, f"{worker.instance} dies at {failpoint}")
    assert worker.last_exit == -signal.SIGKILL, f"{worker.instance} ended with {worker.last_exit}, not at {failpoint}"
    worker.backoff = Backoff()


async def until(condition: Callable[[], bool], what: str, timeout: float = WAIT_S) -> None:
    """Wait for a condition on another process's state; there is no event to await."""
    try:
        async with asyncio.timeout(timeout):
            while not condition():  # noqa: ASYNC110 - the condition is another process's
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {timeout:g} s: {what}") from None


@contextlib.asynccontextmanager
async def pipeline(
    folder: Path,
    *,
    replicas: str = "",
    speed: float = 60.0,
    feed: str = "synthetic",
    seed: int = 7,
    symbols: tuple[str, ...] = (),
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Pipeline]:
    """All workers, ready: over a synthetic market, or over whatever the test publishes (`feed="none"`).

    `symbols` may be others than those of the venue's file; `more` are variables for all workers.
    """
    plan = make_plan(state=folder, env=more or {}, feed=feed, replicas=replicas, speed=speed, seed=seed)
    plan = replace(plan, symbols=symbols or plan.symbols)
    said: list[str] = []
    servers = Servers(folder, use_urls=False, use_path=False)
    try:
        infos = await asyncio.to_thread(servers.start)
        env = {
            key: value for key, value in os.environ.items() if not key.startswith(("PERPETUA_", "LLM_", "OPENROUTER_"))
        }
        env |= {"PERPETUA_LEDGER_SEAL_EVERY": "2"} | dict(more or {})  # so that each run has a sealed history
        phases = Phases(said.append)
        async with (
            session(plan, servers, infos, env=env, phases=phases, listener=RunListener("test", said.append)) as run,
            connected(infos["nats"].url) as bus,
        ):
            yield Pipeline(servers, run, bus, infos)
    except BaseException:
        print("\n".join(said))
        raise
    finally:
        await asyncio.to_thread(servers.stop)
