"""Keeps the workers running: starts them, restarts those that die with a growing delay, stops them in order."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from cli.embedded.ports import pick
from cli.errors import CliError
from cli.probe import get
from cli.project import shown
from cli.run.environment import worker_argv, worker_env
from cli.run.plan import Plan
from cli.run.progress import StartProgress, in_words, processor_steps, waited_for, why_late, work_done
from cli.run.settings import StartSettings
from cli.run.supervised import SupervisedWorker, exit_words
from libs.runtime.ending import end

Probe = Callable[[int, str], Awaitable[tuple[int, str] | None]]
TICK_S = 0.2
PROBE_EVERY_S = 2.0
STOP_S = 5.0
FEED_FIRST_S = 0.5
HOPELESS_DEATHS = 3
LAST = "feed"


def make_workers(
    plan: Plan, urls: Callable[[str], Mapping[str, str]], base: Mapping[str, str], *, gateway_port: int
) -> list[SupervisedWorker]:
    """`urls` gives a worker's own addresses: each is a user of its own to the servers."""

    def env_of(name: str, number: int) -> Callable[[int], Mapping[str, str]]:
        return lambda port: worker_env(name, number, plan, urls(name), base, ops_port=port, gateway_port=gateway_port)

    def log_of(name: str, number: int) -> Path:
        return plan.state.logs / f"{name}-{number}.log"

    return [
        SupervisedWorker(name, number, log_of(name, number), env_of(name, number), worker_argv(name))
        for name, number in plan.workers
    ]


class Supervisor:
    """All workers of a run. `said` takes a line for each thing that happened."""

    def __init__(
        self,
        workers: Sequence[SupervisedWorker],
        *,
        said: Callable[[str], None] = lambda line: None,
        probe: Probe = get,
        steps: Callable[[SupervisedWorker], int] = processor_steps,
    ) -> None:
        self.workers = list(workers)
        self._said = said
        self._probe = probe
        self._steps = steps
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def restarts(self) -> int:
        return sum(worker.restarts for worker in self.workers)

    @property
    def ready(self) -> bool:
        return all(worker.state == "ready" for worker in self.workers)

    def start(self) -> None:
        """Start all workers and watch over them from now on.

        The feed comes last: the market would run ahead of workers that are still loading, and their first decisions
        would be expired.
        """
        for worker, port in zip(self.workers, pick(len(self.workers)), strict=True):
            worker.log.parent.mkdir(parents=True, exist_ok=True)
            worker.port = port
            if worker.name != LAST:
                worker.start(time.monotonic())
        self._task = asyncio.create_task(self._watch(), name="supervisor")

    def _start_last(self, now: float) -> None:
        if all(worker.was_ready for worker in self.workers if worker.name != LAST):
            for worker in self.workers:
                if worker.state == "new":
                    worker.start(now)

    @property
    def waited_for(self) -> str:
        return waited_for(self.workers)

    async def until_ready(self, patience: float | None = None) -> None:
        """Return when all are ready. CliError when one keeps dying, or nothing has moved for so many seconds."""
        patience = StartSettings().start_patience if patience is None else patience
        progress = StartProgress(time.monotonic(), self._steps)
        while not self.ready:
            progress.look(self.workers, time.monotonic())
            for worker in self.workers:
                if worker.backoff.deaths >= HOPELESS_DEATHS and not worker.was_ready:
                    raise _does_not_start(worker)
            if time.monotonic() - progress.moved > patience:
                raise _not_ready([worker for worker in self.workers if worker.state != "ready"], patience)
            if self._task is not None and self._task.done():
                await self._task
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """SIGTERM to the feed, then to all others; SIGKILL to what is left after 5 s. Idempotent."""
        self._stopping = True
        if self._task is not None:
            await end([self._task])
            self._task = None
        deadline = time.monotonic() + STOP_S
        feeds = [worker for worker in self.workers if worker.name == LAST]
        await _end(feeds, time.monotonic() + FEED_FIRST_S)
        await _end(self.workers, deadline)
        for worker in self.workers:
            if worker.child is not None:
                worker.child.kill()
                self._said(f"{worker.instance} did not end within {STOP_S:g} s and was killed")
            worker.child, worker.state = None, "stopped"

    async def _watch(self) -> None:
        while True:
            now = time.monotonic()
            for worker in self.workers:
                self._look_after(worker, now)
            self._start_last(now)
            await asyncio.gather(*(self._ask(worker) for worker in self.workers if _is_to_be_asked(worker, now)))
            await asyncio.sleep(TICK_S)

    def _look_after(self, worker: SupervisedWorker, now: float) -> None:
        code = worker.reap(now)
        if code is not None:
            self._said(f"{worker.instance} {exit_words(code)}; starts again in {worker.backoff.delay:g} s")
        if worker.state == "waiting" and now >= worker.due and not self._stopping:
            worker.restarts += 1
            worker.start(now)

    async def _ask(self, worker: SupervisedWorker) -> None:
        child, answer = worker.child, await self._probe(worker.port, "/ready")
        if worker.child is not child or child is None:
            return
        worker.asked, worker.work_done = time.monotonic(), work_done(answer)
        if answer is not None and answer[0] == 200:
            if worker.restarts and worker.state == "starting":
                self._said(f"{worker.instance} is back")
            worker.state, worker.was_ready, worker.unready_because = "ready", True, ""
        elif worker.state != "starting":
            worker.state = "unready"
            worker.unready_because = in_words(answer)
        else:
            worker.unready_because = in_words(answer) if answer else worker.unready_because


def _is_to_be_asked(worker: SupervisedWorker, now: float) -> bool:
    """A worker that is ready is asked less often than one that is not yet."""
    return worker.child is not None and (worker.state != "ready" or now - worker.asked >= PROBE_EVERY_S)


async def _end(workers: Sequence[SupervisedWorker], deadline: float) -> None:
    """SIGTERM to those that run, then wait for them until `deadline`."""
    for worker in workers:
        if worker.child is not None:
            worker.child.signal(signal.SIGTERM)
            worker.child.signal(signal.SIGCONT)
    while any(worker.child is not None for worker in workers) and time.monotonic() < deadline:
        for worker in workers:
            if worker.child is not None and worker.child.poll() is not None:
                worker.child, worker.state = None, "stopped"
        await asyncio.sleep(0.03)


def _does_not_start(worker: SupervisedWorker) -> CliError:
    why = exit_words(worker.last_exit) if worker.last_exit is not None else "does not start"
    return CliError(f"{worker.instance} does not start: {why}: {worker.last_words()}", f"see {shown(worker.log)}")


def _not_ready(workers: Sequence[SupervisedWorker], patience: float) -> CliError:
    named = "; ".join(f"{worker.instance} {why_late(worker)}" for worker in workers)
    return CliError(
        f"the start stands still: nothing moved for {patience:g} s: {named}",
        f"see the logs in {shown(workers[0].log.parent)}; PERPETUA_START_PATIENCE=n waits n seconds",
    )
