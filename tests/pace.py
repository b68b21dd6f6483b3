"""How fast this machine is just now: a bound on the product's time is one on a quiet machine's."""

import time

PATIENCE_S = 60.0  # for an answer that comes: the default of a client is none of the product's promises
WORK_S = 0.1


def share() -> float:
    """The part of a processor that a busy thread gets: 1 on a quiet machine, a tenth beside nine others."""
    began, worked = time.perf_counter(), time.thread_time()
    while time.thread_time() - worked < WORK_S:
        pass
    return min(1.0, WORK_S / (time.perf_counter() - began))


def quiet(seconds: float) -> float:
    """What so many seconds, which ended just now, would have been on a quiet machine."""
    return seconds * share()
