"""One process: connection, topology check, services, handlers, operations port, and a stop that loses nothing."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

import uvloop
from faststream import FastStream
from faststream.nats import NatsRouter
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from pydantic import ValidationError
from pydantic_settings import SettingsError

from libs.runtime import exits, log, tracing
from libs.runtime.bus import NATS_AWAY, NATS_RETRY
from libs.runtime.clock import MarketClockMirror
from libs.runtime.connection import Connection
from libs.runtime.delivery import Decode, Delivery, Handler
from libs.runtime.ending import end
from libs.runtime.health import Doing, OpsApp
from libs.runtime.lag import Lag
from libs.runtime.levels import Levels
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.partitions import PartitionConsumer
from libs.runtime.provision import check_nats
from libs.runtime.pull import PULLER, Pull
from libs.runtime.server import CannotListen, HttpServer
from libs.runtime.settings import RuntimeSettings, settings_error
from libs.runtime.telling import Telling
from libs.runtime.watch import watch_durables, watch_loop
from libs.schemas.topology import MAX_DELIVER, Durable

TRACES_END_S = 2.0  # for the last spans of a process
logger = logging.getLogger(__name__)


class Service(Protocol):
    """Something that lives as long as the process works. `stop` may follow a `start` that failed or was cancelled."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Worker:
    """Wires one service. Constructing it needs no server."""

    def __init__(self, name: str, settings: RuntimeSettings, *, away: tuple[type[Exception], ...] = ()) -> None:
        self.name = name
        self.settings = settings
        tracing.begin(name, settings.instance, settings.otlp_endpoint, settings.trace_share)
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.metrics = DeliveryMetrics(self.registry)
        self.connection = Connection(settings, self.metrics, name)
        self.broker = self.connection.broker
        self.bus = self.connection.bus
        self.clock = MarketClockMirror(self.bus)
        self._delivery = Delivery(self.bus, self.clock, self.metrics, self._max_deliver, away)
        self.broker.context.set_global(PULLER, self._delivery)
        self.app = FastStream(self.broker, logger=None)
        self._telling = Telling(self.bus, name, settings.instance, self.checks, self.details)
        self._services: list[Service] = [self.clock, self._telling]
        self._started: list[Service] = []
        self._partitions: set[Durable] = set()
        lag = Lag(self.registry, self.bus, self._pulled)
        self._background: dict[str, Callable[[], Awaitable[None]]] = {"lag": lag.run}
        if settings.log_levels:
            self._background["levels"] = Levels(Path(settings.log_levels)).run
        self._tasks: list[asyncio.Task[None]] = []
        self._http: list[tuple[Any, str, int]] = []
        self._http_server = HttpServer
        self._checks: dict[str, Callable[[], bool]] = {}
        self._details: dict[str, Callable[[], Any]] = {}
        self._doing: Callable[[], Doing | None] = lambda: None
        self._pulling = False
        self._stopping = False

    def include(self, router: NatsRouter) -> None:
        self.broker.include_router(router)

    def add(self, service: Service) -> None:
        """Started in order once connected and before pulling; stopped in reverse after work in flight is done."""
        self._services.append(service)

    def background(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """A loop that runs as long as the process; if it fails, the process ends loudly."""
        self._background[name] = run

    def readiness(self, name: str, check: Callable[[], bool]) -> None:
        self._checks[name] = check

    def doing(self, say: Callable[[], Doing | None]) -> None:
        """What /ready of the operations port says of a start that is under way."""
        self._doing = say

    def detail(self, name: str, say: Callable[[], Any]) -> None:
        """What /health of the operations port says under `name`: anything that JSON can hold."""
        self._details[name] = say

    def tell(self) -> None:
        """Say on the bus how it is, now."""
        self._telling.soon()

    def details(self) -> Mapping[str, Any]:
        return {name: say() for name, say in self._details.items()}

    def serve_http(self, app: Any, host: str, port: int, server: type[HttpServer] = HttpServer) -> None:
        self._http.append((app, host, port))
        self._http_server = server

    def partition_consumer(
        self, durable: Durable, handler: Handler, *, decode: Decode | None = None
    ) -> PartitionConsumer:
        self._partitions.add(durable)
        return PartitionConsumer(self.broker, durable, handler, decode)

    def checks(self) -> Mapping[str, bool]:
        """State of each part; the process is ready when all are true."""
        connected = self._pulling and self.bus.nc.is_connected
        return {"nats": connected, "started": self._pulling, **{k: check() for k, check in self._checks.items()}}

    @property
    def durables(self) -> tuple[Durable, ...]:
        """The durables that this process pulls from, or may pull from later."""
        pulling = {sub.durable for sub in self.broker.subscribers if isinstance(sub, Pull)}
        return tuple(sorted(pulling | self._partitions, key=lambda durable: durable.name))

    def _pulled(self) -> tuple[Durable, ...]:
        """Those that it pulls from now."""
        return tuple(sub.durable for sub in self.broker.subscribers if isinstance(sub, Pull) and sub.running)

    def _max_deliver(self, name: str) -> int:
        return next((durable.max_deliver for durable in self.durables if durable.name == name), MAX_DELIVER)

    async def start(self) -> None:
        """Connect (waiting for the server), check the topology, start services, then pull."""
        await self.broker.connect()
        await self._assert_topology()
        self.metrics.expect(durable.name for durable in self.durables)
        for service in self._services:
            self._started.append(service)
            await service.start()
        self._tasks += [asyncio.create_task(self._guard(n, run), name=n) for n, run in self._background.items()]
        await self.broker.start()
        self._tasks.append(asyncio.create_task(self._guard("durables", self._watch)))
        self._pulling = True
        self.metrics.ready.set(1)
        logger.info("%s is ready", self.name)

    async def _assert_topology(self) -> None:
        while True:
            try:
                found = await check_nats(self.bus.js, self.durables)
            except NATS_RETRY as error:
                logger.warning("JetStream does not answer yet: %r", error)
                await asyncio.sleep(0.5)
                continue
            if not found:
                return
            hint = "Run `perpetua up`, or `perpetua provision` on servers of your own"
            logger.critical("refusing to run: %s. %s.", "; ".join(found), hint)
            os._exit(exits.TOPOLOGY_MISMATCH)

    async def stop(self) -> None:
        """Stop pulling, finish what is in flight within the grace, hand back the rest, close. Once; then nothing."""
        if self._stopping:
            return
        self._stopping = True
        self.connection.expect_close()
        self._pulling = False
        self.metrics.ready.set(0)
        self._delivery.stop()
        await _all(sub.stop() for sub in self.broker.subscribers)
        await end(self._tasks, again_after=2.0)
        for service in reversed(self._started):
            await _all([service.stop()])
        await _all([self.connection.close()])

    async def _watch(self) -> None:
        await watch_durables(self.bus, lambda: self.durables, self._delivery.doubted)

    async def _guard(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        try:
            await run()
        except asyncio.CancelledError:
            raise
        except BaseException:
            logger.critical("the background task %s failed", name, exc_info=True)
            os._exit(exits.BACKGROUND_FAILED)

    async def serve(self) -> None:
        """Run until SIGTERM or SIGINT. Raises CannotListen."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, stop.set)
        watch_loop(loop)
        ops = OpsApp(self.registry, self.checks, self.details, lambda: self._doing())
        servers = [HttpServer(ops, self.settings.ops_host, self.settings.ops_port)]
        await servers[0].begin()
        starting = asyncio.create_task(self._start_all(servers))
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting in done:
            starting.result()
            await stopping
        await end([starting])
        for server in servers[1:]:
            await server.end()
        _, late = await asyncio.wait({asyncio.create_task(self.stop())}, timeout=self.settings.graceful_timeout + 5)
        if late:
            logger.error("work in flight did not end within the grace; it will be delivered again")
        await servers[0].end()

    async def _start_all(self, servers: list[HttpServer]) -> None:
        await self.start()
        _spare_the_collector()
        for app, host, port in self._http:
            server = self._http_server(app, host, port)
            await server.begin()
            servers.append(server)


def _spare_the_collector() -> None:
    """What start has made stays, so it is not searched for garbage again: that stops a process for 50 to 230 ms."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def _all(endings: Iterable[Awaitable[None]]) -> None:
    """Wait for all; what goes wrong at the end of one must not keep the others from ending."""
    for result in await asyncio.gather(*endings, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, NATS_AWAY):
            logger.error("could not end in order", exc_info=result)


def run(create_app: Callable[[], Worker]) -> NoReturn:
    """Run a service until it is told to stop. Bad settings give one line and exit code 6."""
    try:
        worker = create_app()
    except (ValidationError, SettingsError) as error:
        _end_for_settings(settings_error(error))
    log.configure(worker.name, worker.settings.instance, worker.settings.log_level)
    try:
        uvloop.run(worker.serve())
    except CannotListen as error:
        _end_for_settings(str(error))
    tracing.end(TRACES_END_S)
    logging.shutdown()
    os._exit(0)  # everything has ended in order: leaving by way of the libraries' own exits takes LiteLLM a second more


def _end_for_settings(line: str) -> NoReturn:
    sys.stderr.write(f"{line}\n")
    sys.exit(exits.BAD_SETTINGS)
