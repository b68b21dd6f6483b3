"""What goes wrong in a run, drawn from its seed beforehand: each fault waits for its time, then for its moment."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

Kind = Literal[
    "crash_before",
    "crash_during",
    "crash_after",
    "pause",
    "lost_request",
    "lost_reply",
    "cut_off",
    "slow_store",
    "clock_jump",
    "delivered_again",
]
KINDS: tuple[Kind, ...] = (
    *("crash_before", "crash_during", "crash_after", "pause", "lost_request", "lost_reply", "cut_off"),
    *("slow_store", "clock_jump", "delivered_again"),
)
WORKERS = ("context", "decider", "validator", "executor", "ledger")
# What is done every second would take each fault for itself.
DULL = frozenset({"beat", "renew", "free"})


@dataclass(frozen=True, slots=True)
class Fault:
    """From `at` on, when a process of `worker` asks a server for `what` (anything where it is empty); the first `skip`
    times are let by."""

    kind: Kind
    worker: str
    at: float
    skip: int
    seconds: float
    what: str = ""


@dataclass(slots=True)
class FaultPlan:
    """`met` counts faults that came about, by kind, worker and what was asked for."""

    faults: Sequence[Fault]
    met: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _waiting: list[tuple[Fault, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting = [(fault, fault.skip) for fault in self.faults]

    def end(self) -> None:
        """From here on nothing goes wrong."""
        self._waiting = []

    def due(self, worker: str, what: str, now: float) -> Fault | None:
        """The fault that meets this request, if one does."""
        if what in DULL:
            return None
        for place, (fault, skip) in enumerate(self._waiting):
            if fault.worker != worker or fault.at > now or fault.what not in ("", what):
                continue
            if skip:
                self._waiting[place] = (fault, skip - 1)
                continue
            del self._waiting[place]
            self.met[fault.kind, worker, what] += 1
            return fault
        return None


def drawn(random: Random, until: float, count: int) -> FaultPlan:
    """`count` faults before a time."""
    return FaultPlan(sorted((_fault(random, until) for _ in range(count)), key=lambda fault: fault.at))


def _fault(random: Random, until: float) -> Fault:
    kind, worker = random.choice(KINDS), random.choice(WORKERS)
    seconds: Callable[[], float] = {
        "pause": lambda: random.uniform(3.5, 9.0),
        "cut_off": lambda: random.uniform(1.0, 8.0),
        "slow_store": lambda: random.uniform(1.0, 6.0),
        "clock_jump": lambda: random.uniform(-2.0, 2.0),
    }.get(kind, lambda: random.uniform(0.2, 4.0))
    return Fault(kind, worker, random.uniform(2.0, until), random.randrange(6), seconds())
