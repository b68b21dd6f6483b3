"""A lease that work cannot starve: it is renewed by a thread with a connection of its own."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from datetime import datetime
from typing import Any, TypeVar

from libs.runtime.bus import Bus
from libs.runtime.connection import Connection
from libs.runtime.ending import end
from libs.runtime.errors import Unavailable
from services.feed.ports import Lease, LeaseLost, Reached

BEAT_S = 1.0
T = TypeVar("T")
log = logging.getLogger(__name__)


class KeptLease:
    """The lease of `make`, renewed each second from when it was acquired until it is released or lost.

    While the feed reads its history back, its event loop turns late and its connection carries thousands of candles:
    a renewal there would wait behind them for longer than the lease lasts. `renew` only notes how far the market got.
    """

    def __init__(self, connect: Callable[[], Connection], make: Callable[[Bus], Lease]) -> None:
        self._connect = connect
        self._make = make
        self._lease: Lease | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._beating: asyncio.Task[None] | None = None
        self._noted: tuple[str | None, datetime | None] = (None, None)

    async def start(self) -> None:
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="lease", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(started)

    async def stop(self) -> None:
        """Hand back what is still held, and end the thread."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        await asyncio.to_thread(self._thread.join)
        self._thread = None

    @property
    def held(self) -> bool:
        return self._lease is not None and self._lease.held

    async def acquire(self) -> Reached | None:
        return await self._in_thread(self._acquire())

    async def renew(self, series: str | None, position: datetime | None) -> None:
        if not self.held:
            raise LeaseLost("the lease ran out, or another copy took it")
        self._noted = (series, position)

    async def release(self, series: str | None, position: datetime | None) -> None:
        await self._in_thread(self._release(series, position))

    async def _in_thread(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None  # noqa: S101 - a service is started before it is used
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _run(self, started: "Future[None]") -> None:
        asyncio.run(self._live(started))

    async def _live(self, started: "Future[None]") -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        connection = self._connect()
        await connection.broker.connect()
        self._lease = self._make(connection.bus)
        started.set_result(None)
        await self._stopping.wait()
        await self._release(*self._noted)
        connection.expect_close()
        await connection.close()

    async def _acquire(self) -> Reached | None:
        reached = await self._kept().acquire()
        self._noted = (None, None)
        self._beating = asyncio.create_task(self._beat(), name="lease-beat")
        return reached

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._kept().renew(*self._noted)
            except LeaseLost as error:
                log.warning("%s", error)
                return
            except Unavailable as error:
                log.warning("the lease is not renewed yet: %s", error)

    async def _release(self, series: str | None, position: datetime | None) -> None:
        if self._beating is not None:
            await end([self._beating])
            self._beating = None
        await self._kept().release(series, position)

    def _kept(self) -> Lease:
        assert self._lease is not None  # noqa: S101 - made before `start` returns
        return self._lease
