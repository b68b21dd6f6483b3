"""How many requests go to a venue, and which goes first."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from services.executor.domain.replies import Priority


class Stopped(Exception):
    """The venue banned this address: every further request makes the ban longer."""

    def __init__(self, left_s: float) -> None:
        super().__init__(f"the venue banned this address for another {left_s:.0f} s")
        self.left_s = left_s


class Pace:
    """Evenly spaced turns; a stop that waits overtakes every question that waits."""

    def __init__(self, per_s: float, monotonic: Callable[[], float]) -> None:
        self._every = 1 / per_s
        self._monotonic = monotonic
        self._free_at = self._stopped_until = 0.0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._pump: asyncio.Task[None] | None = None

    async def turn(self, priority: Priority) -> None:
        """Return when a request may go out. Raises Stopped at once while the venue bans us."""
        self._check()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (int(priority), next(self._numbers), waiter))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        await waiter
        self._check()

    def hold(self, seconds: float) -> None:
        """After a 429: nothing goes out for that long."""
        self._free_at = max(self._free_at, self._monotonic() + seconds)

    def stop(self, seconds: float) -> None:
        """After a 418: nothing goes out, and nothing waits for it."""
        self._stopped_until = max(self._stopped_until, self._monotonic() + seconds)
        for _, _, waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    def _check(self) -> None:
        if (left := self._stopped_until - self._monotonic()) > 0:
            raise Stopped(left)

    async def _run(self) -> None:
        while self._waiting:
            if (left := self._free_at - self._monotonic()) > 0:
                await asyncio.sleep(left)
                continue  # the best of those that wait is chosen when the turn comes, not before
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                self._free_at = self._monotonic() + self._every
                waiter.set_result(None)
