"""How fast this machine is just now: a bound on the product's time is one on a quiet, usual machine's."""

import time

PATIENCE_S = 60.0  # for an answer that comes: the default of a client is none of the product's promises
ROUNDS = 400_000
USUAL_S = 0.025  # of processor time for those rounds, on the machine where the bounds were measured
LOOKS = 3  # what else runs comes and goes


def _counted() -> tuple[float, float]:
    """Wall and processor seconds of a known piece of work."""
    began, worked = time.perf_counter(), time.thread_time()
    total = 0
    for n in range(ROUNDS):
        total += n & 7
    return time.perf_counter() - began, time.thread_time() - worked


def share() -> float:
    """What a busy thread gets done: 1 on a quiet, usual machine, a tenth beside nine others."""
    return min(1.0, *(USUAL_S / max(_counted()) for _ in range(LOOKS)))


def quiet(seconds: float) -> float:
    """What so many seconds, which ended just now, would have been on a quiet, usual machine."""
    return seconds * share()
