"""A process of a simulation, its clock, and its way to a server: what is asked may be late, or lost, or its answer."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from libs.runtime.errors import Conflict, Unavailable
from services.executor.ports import Fenced
from simulation.faults import Fault, FaultPlan
from simulation.loop import PROCESS, SimulatedLoop

T = TypeVar("T")
BEGINS = datetime(2026, 3, 2, 12, tzinfo=UTC)
PATIENCE_S = 5.0  # as the bus waits for an answer of the server
REFUSED: tuple[type[Exception], ...] = (Conflict, Fenced)


@dataclass(slots=True)
class SimulatedWorld:
    """What all processes of a run share. `trace` is what happened, line by line."""

    loop: SimulatedLoop
    random: Random
    faults: FaultPlan
    off: frozenset[str] = frozenset()
    trace: list[str] = field(default_factory=list)
    store_slow_until: float = 0.0

    def note(self, who: str, what: str) -> None:
        self.trace.append(f"{self.loop.time():10.4f}  {who:<12}  {what}")

    def delay(self) -> float:
        """Seconds on the way to a server or back; now and then much longer."""
        drawn = self.random.random()
        return 0.0005 + 0.002 * drawn if drawn < 0.97 else self.random.uniform(0.05, 0.8)


@dataclass(slots=True)
class SimulatedProcess:
    """One life of a worker; `restart` begins the next one after so many seconds. `ahead` is how far its clock is before
    the others', `on_return` what asks again for what was pushed while it was cut off, `forgetful` what a server may not
    remember of it."""

    name: str
    worker: str
    world: SimulatedWorld
    restart: Callable[[float], None]
    ahead: float = 0.0
    cut_until: float = 0.0
    on_end: list[Callable[[], None]] = field(default_factory=list)
    on_return: list[Callable[[], None]] = field(default_factory=list)
    forgetful: list[Callable[[], None]] = field(default_factory=list)

    def begin(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run in this process, whoever calls; an error that it ends by is a failure of the run."""
        context = contextvars.Context()
        context.run(PROCESS.set, self.name)
        task = self.world.loop.create_task(work, name=name, context=context)
        task.add_done_callback(self._over, context=context)
        return task

    @property
    def lives(self) -> bool:
        return self.world.loop.lives(self.name)

    @property
    def cut_off(self) -> bool:
        return self.cut_until > self.world.loop.time() or not self.lives

    def kill(self, why: str, seconds: float) -> None:
        self.world.note(self.name, f"killed ({why}); again in {seconds:.1f} s")
        self.world.loop.kill(self.name)
        for ended in self.on_end:
            ended()
        self.restart(seconds)

    def _over(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.world.loop.failures.append(f"{self.name} {task.get_name()}: {error!r}")

    def suffer(self, fault: Fault) -> None:
        """What a fault does that is not about one request."""
        now = self.world.loop.time()
        match fault.kind:
            case "pause":
                self.world.note(self.name, f"sleeps for {fault.seconds:.1f} s")
                self.world.loop.sleep(self.name, now + fault.seconds)
            case "cut_off":
                self.world.note(self.name, f"is cut off for {fault.seconds:.1f} s")
                self.cut_until = max(self.cut_until, now + fault.seconds)
                self.world.loop.outside(self.cut_until + self.world.delay(), self._returned)
            case "slow_store":
                self.world.note("mongodb", f"is slow for {fault.seconds:.1f} s")
                self.world.store_slow_until = max(self.world.store_slow_until, now + fault.seconds)
            case "clock_jump":
                self.world.note(self.name, f"its clock jumps by {fault.seconds:+.1f} s")
                self.ahead += fault.seconds
            case "delivered_again" if self.forgetful:
                self.world.note("nats", f"has forgotten an acknowledgement of {self.name}")
                self.world.random.choice(self.forgetful)()
            case _:
                return

    def _returned(self) -> None:
        """Watches and readers begin anew where they were, as after a new connection."""
        for again in self.on_return:
            again()


class SimulatedClock:
    """Market time is wall time, as with a live feed; each process has its own clock, and it may jump."""

    speed = 1.0
    paused = False

    def __init__(self, process: SimulatedProcess) -> None:
        self._process = process

    def now(self) -> datetime:
        return self.wall()

    def wall(self) -> datetime:
        return BEGINS + timedelta(seconds=round(self.monotonic() + self._process.ahead, 6))

    def monotonic(self) -> float:
        return self._process.world.loop.time()


class Link:
    """From a process to a server. What is sent on an ordered one arrives in its order, as on one connection."""

    def __init__(self, process: SimulatedProcess, server: str, *, ordered: bool) -> None:
        self.process = process
        self._server = server
        self._ordered = ordered
        self._sent = self._heard = 0.0

    async def ask(self, what: str, do: Callable[[], T], detail: str = "") -> T:
        """What the server answers. Raises Unavailable where nothing is heard; it may have been done all the same."""
        world = self.process.world
        fault = self._fault(what)
        kind = fault.kind if fault else None
        answer: asyncio.Future[T] = world.loop.create_future()
        if fault is not None and kind in ("crash_before", "crash_during", "crash_after"):
            self._crash(fault, what, do, answer)
        elif kind != "lost_request":
            lost = kind == "lost_reply"
            if lost:
                world.note(self.process.name, f"{what} {detail}: its answer is lost")
            self._send(do, None if lost else answer)
        else:
            world.note(self.process.name, f"{what} {detail}: it is lost")
        return await self._heard_of(answer, what)

    def tell(self, what: str, do: Callable[[], object]) -> None:
        """Send something that is not answered."""
        fault = self._fault(what)
        if fault is not None and fault.kind.startswith("crash"):
            self._crash(fault, what, do, None)
        elif fault is not None and fault.kind.startswith("lost"):
            self.process.world.note(self.process.name, f"{what} is lost")
        else:
            self._send(do, None)

    def push(self, take: Callable[[], object]) -> None:
        """From the server to the process, in order; nothing comes to one that is dead or cut off."""
        self.process.world.loop.outside(self._back(), self._take, take)

    def _take(self, take: Callable[[], object]) -> None:
        if not self.process.cut_off:
            take()

    def _fault(self, what: str) -> Fault | None:
        """What goes wrong with this request. The dead, who get as far as their next `await`, ask for nothing more."""
        world = self.process.world
        fault = world.faults.due(self.process.worker, what, world.loop.time()) if self.process.lives else None
        if fault is not None:
            self.process.suffer(fault)
        return fault

    def _crash(self, fault: Fault, what: str, do: Callable[[], T], answer: asyncio.Future[T] | None) -> None:
        """Before it is sent; while it is on its way; or when it is done, and nobody hears of it."""
        if fault.kind != "crash_before":
            self._send(do, None)
        if fault.kind == "crash_after":
            kill = (f"after {what}", fault.seconds)
            self.process.world.loop.outside(self._sent + 1e-6, self._kill_later, *kill)
            return
        self.process.kill(f"{fault.kind.removeprefix('crash_')} {what}", fault.seconds)

    def _kill_later(self, why: str, seconds: float) -> None:
        if self.process.lives:
            self.process.kill(why, seconds)

    async def _heard_of(self, answer: "asyncio.Future[T]", what: str) -> T:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answer
        except TimeoutError:
            raise Unavailable(f"{self._server} does not answer ({what})", unsure=True) from None

    def _send(self, do: Callable[[], T], answer: "asyncio.Future[T] | None") -> None:
        if not self.process.lives:
            return
        arrives = self.process.world.loop.time() + self._way()
        self._sent = arrives = max(arrives, self._sent) if self._ordered else arrives
        self.process.world.loop.outside(arrives, self._arrived, do, answer)

    def _arrived(self, do: Callable[[], T], answer: "asyncio.Future[T] | None") -> None:
        if self.process.cut_until > self.process.world.loop.time():
            return
        try:
            result: T | None = do()
            failure = None
        except REFUSED as error:
            result, failure = None, error
        if answer is not None:
            self.process.world.loop.outside(self._back(), self._answered, answer, result, failure)

    def _answered(self, answer: "asyncio.Future[T]", result: T, failure: Exception | None) -> None:
        if self.process.cut_off or answer.done():
            return
        if failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(result)

    def _way(self) -> float:
        slow = self._server == "mongodb" and self.process.world.store_slow_until > self.process.world.loop.time()
        return self.process.world.delay() + (self.process.world.random.uniform(0.2, 1.5) if slow else 0.0)

    def _back(self) -> float:
        arrives = self.process.world.loop.time() + self.process.world.delay()
        self._heard = arrives = max(arrives, self._heard) if self._ordered else arrives
        return arrives
