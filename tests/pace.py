"""How fast this machine is just now: a bound on the product's time is one on a quiet, usual machine's."""

import threading
import time
from types import TracebackType

PATIENCE_S = 60.0  # for an answer that comes: the default of a client is none of the product's promises
ROUNDS = 400_000
USUAL_S = 0.025  # of processor time for those rounds, on the machine where the bounds were measured
LOOKS = 3  # what else runs comes and goes
EVERY_S = 0.5


def _counted() -> tuple[float, float]:
    """Wall and processor seconds of a known piece of work."""
    began, worked = time.perf_counter(), time.thread_time()
    total = 0
    for n in range(ROUNDS):
        total += n & 7
    return time.perf_counter() - began, time.thread_time() - worked


def share(looks: int = LOOKS) -> float:
    """What a busy thread gets done: 1 on a quiet, usual machine, a tenth beside nine others."""
    return min(1.0, *(USUAL_S / max(_counted()) for _ in range(looks)))


def quiet(seconds: float) -> float:
    """What so many seconds, which ended just now, would have been on a quiet, usual machine."""
    return seconds * share()


def usual(processor_s: float) -> float:
    """What so much work, which ended just now, takes of a usual machine's processor."""
    return processor_s * min(1.0, USUAL_S / max(_counted()[1] for _ in range(LOOKS)))


class Watch:
    """A stretch of time, as long as it would have been on a quiet, usual machine: `quiet_s`, once it has ended.

    What else runs comes and goes, so the machine is looked at all along. A stretch too short for a look counts whole.
    """

    def __init__(self) -> None:
        self._quiet_s = 0.0
        self._counted_until = time.perf_counter()
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._counted_until = time.perf_counter()
        self._looking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._looking.join()
        self._quiet_s += time.perf_counter() - self._counted_until

    @property
    def quiet_s(self) -> float:
        return self._quiet_s

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            slowed, now = share(1), time.perf_counter()
            self._quiet_s += (now - self._counted_until) * slowed
            self._counted_until = now
