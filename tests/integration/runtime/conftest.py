"""A server for the runtime's tests, a bus on it, workers in this process and beside it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from faststream.nats import NatsRouter

from libs.runtime.bus import Bus
from libs.runtime.delivery import Handler, consume
from libs.runtime.settings import RuntimeSettings
from libs.runtime.worker import Worker
from tests.integration.runtime.messages import INBOX
from tests.integration.runtime.process import Process
from tests.integration.runtime.servers import Nats, cleared, own_nats
from tests.servers import Urls

MakeWorker = Callable[..., Worker]
StartProcess = Callable[..., Process]
Start = Callable[..., Awaitable[Worker]]


@pytest.fixture(scope="package")
def shared(servers: Urls) -> Iterator[Nats]:
    """One provisioned server for all tests here that do not kill it."""
    with own_nats(servers) as server:
        yield server


@pytest.fixture
def url(shared: Nats) -> str:
    """A provisioned NATS server without messages."""
    cleared(shared.url)
    return shared.url


@pytest.fixture
def mortal(servers: Urls) -> Iterator[Nats]:
    """A provisioned NATS server that this test may kill."""
    with own_nats(servers) as server:
        yield server


@pytest.fixture
async def make_worker() -> AsyncIterator[MakeWorker]:
    """Makes workers in this process; those that were started are stopped after the test."""
    made: list[Worker] = []

    def make(url: str, *, away: tuple[type[Exception], ...] = (), grace: float = 5) -> Worker:
        settings = RuntimeSettings(nats_url=url, instance=f"test-{len(made)}", graceful_timeout=grace)
        made.append(Worker("test", settings, away=away))
        return made[-1]

    yield make
    await asyncio.gather(*(worker.stop() for worker in made))


@pytest.fixture
async def bus(url: str, make_worker: MakeWorker) -> Bus:
    """A connected bus on a provisioned server without messages."""
    return await connected(make_worker(url))


@pytest.fixture
def start(url: str, make_worker: MakeWorker) -> Start:
    """Starts a worker that handles the test durable."""

    async def begin(handler: Handler, *, away: tuple[type[Exception], ...] = (), concurrency: int = 1) -> Worker:
        worker = make_worker(url, away=away)
        router = NatsRouter()
        consume(router, INBOX, handler, concurrency=concurrency)
        worker.include(router)
        await worker.start()
        return worker

    return begin


async def connected(worker: Worker) -> Bus:
    """The bus of a worker that only connects."""
    await worker.broker.connect()
    return worker.bus


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[StartProcess]:
    """Starts a module of `workers` as a process; all are killed after the test."""
    started: list[Process] = []

    def start(module: str, url: str, **env: str) -> Process:
        log = tmp_path / f"{module}-{len(started)}.log"
        started.append(Process(module, log, {"NATS_URL": url, **env}))
        return started[-1]

    yield start
    for process in started:
        process.kill()


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Return when the condition holds, however slow the machine is: the test's own limit finds what hangs."""
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0.01)
