"""One process: connection, topology check, services, handlers, operations port, and a stop that loses nothing."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NoReturn, Protocol

import nats.js.errors
import uvicorn
import uvloop
from faststream import FastStream
from faststream.nats import NatsBroker, NatsRouter
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from pydantic import ValidationError

from libs.runtime import exits, log
from libs.runtime.bus import NATS_AWAY, NATS_RETRY, Bus
from libs.runtime.clock import MarketClockMirror
from libs.runtime.delivery import Decode, Delivery, Handler, subscribe
from libs.runtime.health import OpsApp
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.provision import check_nats
from libs.runtime.settings import RuntimeSettings
from libs.schemas.subjects import DURABLES, MAX_DELIVER, Durable

CHECK_EVERY_S = 5.0
FROZEN_AFTER_S = 20.0
logger = logging.getLogger(__name__)


class Service(Protocol):
    """Something that lives as long as the process works."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


async def _die() -> None:
    logger.critical("the connection to NATS is closed for good; ending, so that the supervisor starts me again")
    os._exit(exits.NATS_CLOSED)


class Worker:
    """Wires one service. Constructing it needs no server."""

    def __init__(self, name: str, settings: RuntimeSettings, *, away: tuple[type[Exception], ...] = ()) -> None:
        self.name = name
        self.settings = settings
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.metrics = DeliveryMetrics(self.registry)
        self.broker = NatsBroker(
            settings.nats_url,
            name=settings.instance,
            graceful_timeout=settings.graceful_timeout,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            ping_interval=10,
            max_outstanding_pings=2,
            pending_size=8 * 1024 * 1024,
            closed_cb=self._closed,
            reconnected_cb=self._reconnected,
            logger=None,
        )
        self.bus = Bus(self.broker, name)
        self.clock = MarketClockMirror(self.bus)
        self._delivery = Delivery(self.bus, self.clock, self.metrics, self._max_deliver, away)
        self.broker.add_middleware(self._delivery)
        self.app = FastStream(self.broker, logger=None)
        self._services: list[Service] = [self.clock]
        self._background: dict[str, Callable[[], Awaitable[None]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._http: list[tuple[Any, str, int]] = []
        self._checks: dict[str, Callable[[], bool]] = {}
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

    def serve_http(self, app: Any, host: str, port: int) -> None:
        self._http.append((app, host, port))

    def partition_consumer(
        self, durable: Durable, handler: Handler, *, decode: Decode | None = None
    ) -> "PartitionConsumer":
        return PartitionConsumer(self.broker, durable, handler, decode)

    def checks(self) -> Mapping[str, bool]:
        """State of each part; the process is ready when all are true."""
        connected = self._pulling and self.bus.nc.is_connected
        return {"nats": connected, "started": self._pulling, **{k: check() for k, check in self._checks.items()}}

    @property
    def durables(self) -> tuple[Durable, ...]:
        """The durables that this process pulls from."""
        names = {getattr(sub, "extra_options", {}).get("durable") for sub in self.broker.subscribers}
        return tuple(d for d in DURABLES if d.name in names)

    def _max_deliver(self, durable: str) -> int:
        return next((d.max_deliver for d in DURABLES if d.name == durable), MAX_DELIVER)

    async def _closed(self) -> None:
        if not self._stopping:
            await _die()

    async def _reconnected(self) -> None:
        self.metrics.reconnects.inc()
        await self.bus.reconnected()

    async def start(self) -> None:
        """Connect (waiting for the server), check the topology, start services, then pull."""
        await self.broker.connect()
        await self._assert_topology()
        for service in self._services:
            await service.start()
        self._tasks += [asyncio.create_task(self._guard(n, run), name=n) for n, run in self._background.items()]
        await self.broker.start()
        self._tasks.append(asyncio.create_task(self._guard("durables", self._watch_durables)))
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
            logger.critical("refusing to run: %s. Provision with `perpetua up`.", "; ".join(found))
            os._exit(exits.TOPOLOGY_MISMATCH)

    async def stop(self) -> None:
        """Stop pulling, finish what is in flight within the grace, hand back the rest, close."""
        self._stopping = True
        self._pulling = False
        self.metrics.ready.set(0)
        self._delivery.stopping.set()
        await asyncio.gather(*(sub.stop() for sub in self.broker.subscribers), return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for service in reversed(self._services):
            with contextlib.suppress(*NATS_AWAY):
                await service.stop()
        with contextlib.suppress(*NATS_AWAY):
            await self.broker.stop()

    async def _guard(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        try:
            await run()
        except asyncio.CancelledError:
            raise
        except BaseException:
            logger.critical("the background task %s failed", name, exc_info=True)
            os._exit(exits.BACKGROUND_FAILED)

    async def _watch_durables(self) -> None:
        """A deleted durable is never made again by the client, which then asks thousands of times a second."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            for durable in self.durables:
                try:
                    await self.bus.js.consumer_info(durable.stream, durable.name)
                except nats.js.errors.NotFoundError:
                    logger.critical("the durable %s of %s is gone; provision again", durable.name, durable.stream)
                    os._exit(exits.DURABLE_GONE)
                except NATS_RETRY as error:
                    logger.warning("cannot look at %s: %r", durable.name, error)

    async def serve(self) -> None:
        """Run until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, stop.set)
        _watch_loop(loop)
        ops = OpsApp(self.registry, self.checks)
        servers = [_Server(ops, self.settings.ops_host, self.settings.ops_port)]
        await servers[0].begin()
        starting = asyncio.create_task(self._start_all(servers))
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting in done:
            starting.result()
            await stopping
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        for server in servers[1:]:
            await server.end()
        try:
            await asyncio.wait_for(self.stop(), self.settings.graceful_timeout + 5)
        except TimeoutError:
            logger.error("work in flight did not end within the grace; it will be delivered again")
        await servers[0].end()

    async def _start_all(self, servers: list["_Server"]) -> None:
        await self.start()
        for app, host, port in self._http:
            server = _Server(app, host, port)
            await server.begin()
            servers.append(server)


class PartitionConsumer:
    """A durable that is pulled from only while this process holds its lease."""

    def __init__(self, broker: NatsBroker, durable: Durable, handler: Handler, decode: Decode | None) -> None:
        self._broker = broker
        self._durable = durable
        self._handler = handler
        self._decode = decode
        self._subscriber: Any = None

    async def start(self) -> None:
        if self._subscriber is None:
            self._subscriber = subscribe(self._broker, self._durable, self._handler, self._decode, documented=False)
            await self._subscriber.start()

    async def stop(self) -> None:
        """Return when the message in hand, if any, is finished."""
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None:
            await subscriber.stop()
            self._broker._subscribers.remove(subscriber)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the worker owns them."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                lifespan="auto",
                timeout_graceful_shutdown=3,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def begin(self) -> None:
        self._task = asyncio.create_task(self.serve())
        while not self.started:
            if self._task.done():
                self._task.result()
                raise OSError(f"cannot listen on {self.config.host}:{self.config.port}")
            await asyncio.sleep(0.01)
        sockets = [s for server in self.servers for s in server.sockets]
        logger.info("listening", extra={"port": sockets[0].getsockname()[1] if sockets else self.config.port})

    async def end(self) -> None:
        self.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


def _watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """End the process when the event loop does not turn for 20 s: it would hold messages and answer nobody."""
    turned = time.monotonic()

    def turn() -> None:
        nonlocal turned
        turned = time.monotonic()
        loop.call_later(1.0, turn)

    def watch() -> None:
        nonlocal turned
        before = time.monotonic()
        while True:
            time.sleep(1.0)
            now = time.monotonic()
            if now - before > 5:  # this thread stood still too: the whole process was stopped, not its loop
                turned = now
            before = now
            if now - turned > FROZEN_AFTER_S:
                logger.critical("the event loop has not turned for %.0f s", now - turned)
                os._exit(exits.LOOP_FROZEN)

    turn()
    threading.Thread(target=watch, name="loop-watch", daemon=True).start()


def run(create_app: Callable[[], Worker]) -> NoReturn:
    """Run a service until it is told to stop. Bad settings give one line and exit code 6."""
    try:
        worker = create_app()
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        sys.stderr.write(f"a setting is not valid: {lines}\n")
        sys.exit(exits.BAD_SETTINGS)
    log.configure(worker.name, worker.settings.instance, worker.settings.log_level)
    uvloop.run(worker.serve())
    sys.exit(0)
