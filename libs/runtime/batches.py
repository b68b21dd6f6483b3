"""Work that is cheaper together: what arrives within a moment is done in one go, each with a result of its own."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

from libs.runtime import tracing
from libs.runtime.alarm import Alarm
from libs.runtime.ending import end

TRICKLE = 32  # a batch of less than this part of the greatest one

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[Sequence[T]], Coroutine[Any, Any, Sequence[R]]]


class Batches(Generic[T, R]):
    """Collects items for at most `delay_s`, and does up to `size` of them at once by `work`, one batch at a time.

    Half of `size` is enough to begin at once: under load batches grow by what comes while the last one is worked on.
    After a batch that was no trickle it waits for `busy_s`, so that what belongs together is done together.
    `work` gives the results in the order of the items; what it raises, all of the batch get.
    """

    def __init__(self, work: Work[T, R], *, size: int, delay_s: float, busy_s: float | None = None) -> None:
        self._work = work
        self._size = size
        self._trickle_s, self._busy_s = delay_s, delay_s if busy_s is None else busy_s
        self._delay_s = delay_s
        self._waiting: deque[tuple[T, asyncio.Future[R], str | None]] = deque()
        self._enough = Alarm()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Nothing to begin: the first item does."""

    async def stop(self) -> None:
        """Give up what is not done; its items get nothing."""
        if self._task is not None:
            await end([self._task])

    async def add(self, item: T) -> R:
        """The result of `item`, when its batch is done."""
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result, tracing.current()))
        if len(self._waiting) * 2 >= self._size:
            self._enough.set()
        if self._task is None or self._task.done():
            # not in the first item's context: its trace and its log lines are not those of the others
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())
        return await result

    async def _run(self) -> None:
        while self._waiting:
            await self._enough.within(self._delay_s)
            batch = list(islice(self._waiting, self._size))
            for _ in batch:
                self._waiting.popleft()
            if len(self._waiting) * 2 < self._size:
                self._enough.clear()
            self._delay_s = self._busy_s if len(batch) * TRICKLE >= self._size else self._trickle_s
            await self._do(batch)

    async def _do(self, batch: Sequence[tuple[T, "asyncio.Future[R]", str | None]]) -> None:
        """In the trace of the first item that has one, linked to those of the others."""
        causes = [context for _, _, context in batch if context is not None]
        with tracing.span("batch", parent=causes[0], causes=causes[1:]) if causes else tracing.NOTHING:
            (outcome,) = await asyncio.gather(self._work([item for item, _, _ in batch]), return_exceptions=True)
        for n, (_, result, _) in enumerate(batch):
            if result.done():  # nobody waits for it any more
                continue
            if isinstance(outcome, BaseException):
                result.set_exception(outcome)
            else:
                result.set_result(outcome[n])
