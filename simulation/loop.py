"""An event loop whose time is a number and whose choices come from a seed.

Each process of a simulation keeps the order that asyncio promises to it; which of them goes on next is drawn. Time
passes only when nobody has anything to do.
"""

import asyncio
import contextlib
import contextvars
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
WORLD = "world"  # what is nobody's: the network, the servers, the market
PROCESS: contextvars.ContextVar[str] = contextvars.ContextVar("process", default=WORLD)


class Deadlock(Exception):
    """Nothing is left that could ever happen."""


class SimulatedTask(asyncio.Task[Any]):
    """Its hash is a number: `asyncio.wait` keeps tasks in sets, whose order would be that of addresses in memory."""

    def __init__(self, number: int, work: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._number = number
        super().__init__(work, **options)

    def __hash__(self) -> int:
        return self._number


class SimulatedLoop(asyncio.BaseEventLoop):
    """`failures` are errors that nobody took, in a process that still lives: a worker would have ended by them."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._time = 0.0
        self._numbers = itertools.count(1)
        self._queues: dict[str, deque[asyncio.Handle]] = {}
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._asleep: set[str] = set()
        self._ended: set[str] = set()
        self._tasks: dict[int, tuple[SimulatedTask, contextvars.Context]] = {}
        self.failures: list[str] = []
        self.steps = 0
        self.set_exception_handler(self._failed)

    def time(self) -> float:
        return self._time

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def outside(self, when: float, callback: Callable[..., object], *args: Any) -> None:
        """Call at a time as nobody's: what is under way goes on when its sender dies."""
        self.call_at(when, callback, *args, context=contextvars.Context())

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> SimulatedTask:
        if context is None:
            context = contextvars.copy_context()
        elif PROCESS not in context:
            context.run(PROCESS.set, PROCESS.get())
        number = next(self._numbers)
        task = SimulatedTask(number, coro, loop=self, name=name, context=context)
        self._tasks[number] = task, context
        task.add_done_callback(lambda _: self._tasks.pop(number, None), context=contextvars.Context())
        return task

    def kill(self, process: str) -> None:
        """Nothing of the process ever runs again: no `finally`, no handler, as after SIGKILL."""
        self._ended.add(process)
        self._queues.pop(process, None)
        self._asleep.discard(process)

    def sleep(self, process: str, until: float) -> None:
        """The process does nothing before a time; what comes meanwhile waits for it."""
        self._asleep.add(process)
        self.outside(until, self._asleep.discard, process)

    def lives(self, process: str) -> bool:
        return process not in self._ended

    def bury(self) -> None:
        """End what was killed or is left, at the end of everything. What it would still do is not done."""
        self.set_exception_handler(lambda loop, context: None)
        for task, context in tuple(self._tasks.values()):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with contextlib.suppress(RuntimeError):  # it awaits something in a `finally`: nobody answers any more
                context.run(task.get_coro().close)
        self._tasks.clear()
        self._queues.clear()
        self._timers.clear()

    def _enqueue(self, handle: asyncio.Handle) -> None:
        process = handle._context.get(PROCESS, WORLD)  # type: ignore[attr-defined]
        if process in self._ended:
            return
        queue = self._queues.get(process)
        if queue is None:
            queue = self._queues[process] = deque()
        queue.append(handle)

    def _run_once(self) -> None:
        ready = [name for name, queue in self._queues.items() if queue and name not in self._asleep]
        if not ready:
            self._pass_time()
            return
        name = ready[0] if len(ready) == 1 else ready[int(self._random.random() * len(ready))]
        handle = self._queues[name].popleft()
        self.steps += 1
        if not handle.cancelled():
            handle._run()

    def _pass_time(self) -> None:
        """Go to the next time at which something happens."""
        while self._timers and self._timers[0][2].cancelled():
            heappop(self._timers)
        if not self._timers:
            raise Deadlock("every process waits for something that nobody does")
        self._time = max(self._time, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self._time:
            timer = heappop(self._timers)[2]
            if not timer.cancelled():
                self._enqueue(timer)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(f"{PROCESS.get()}: {context['message']}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...

    def _write_to_self(self) -> None: ...
