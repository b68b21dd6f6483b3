"""How far a start is: what is slow is said, and only what stands still is given up."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

from cli.run.supervised import SupervisedWorker

Measure = tuple[int, ...]
WAITED_FOR = {"nats": "NATS", "mongodb": "MongoDB", "keys": "the API keys", "market": "the market"}
NAMED = 2
CPU_STEP_S = 2.0  # a process that only waits, and is asked how it is, takes a hundredth of a processor


def in_words(answer: tuple[int, str] | None) -> str:
    """Why a worker is not ready, as a part of a sentence, from what its operations port answered."""
    if answer is None:
        return "does not answer"
    told = _told(answer)
    if isinstance(doing := told.get("doing"), dict):
        done = int(doing.get("done", 0))
        return f"{doing.get('text')}" + (f", {grouped(done)} so far" if done else "")
    missing = [WAITED_FOR.get(name, name) for name, well in _checks(told).items() if not well and name != "started"]
    if missing:
        return f"waits for {' and '.join(missing)}"
    return "starts" if _checks(told) else "is not ready"


def work_done(answer: tuple[int, str] | None) -> Measure:
    """Whether it answers at all, how many of its parts are well, and how much it says that it has done."""
    if answer is None:
        return (0, 0, 0)
    told = _told(answer)
    doing = told.get("doing")
    done = int(doing.get("done", 0)) if isinstance(doing, dict) else 0
    return (1, sum(map(bool, _checks(told).values())), done)


def _told(answer: tuple[int, str]) -> dict[str, Any]:
    try:
        told = json.loads(answer[1])
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _checks(told: dict[str, Any]) -> dict[str, Any]:
    checks = told.get("checks")
    return checks if isinstance(checks, dict) else {}


def grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def processor_steps(worker: SupervisedWorker) -> int:
    """Processor time of its process in steps of two seconds: all that can be seen while it loads."""
    if worker.child is None:
        return 0
    try:
        times = psutil.Process(worker.child.pid).cpu_times()
    except psutil.Error:
        return 0
    return int((times.user + times.system) / CPU_STEP_S)


@dataclass
class StartProgress:
    """The furthest that each worker got. Work that is done again, as after a restart, is no progress."""

    moved: float
    """When something was seen to move last (monotonic seconds)."""
    steps: Callable[[SupervisedWorker], int] = processor_steps
    furthest: dict[str, Measure] = field(default_factory=dict)

    def look(self, workers: Sequence[SupervisedWorker], now: float) -> None:
        for worker in workers:
            before = self.furthest.get(worker.instance, ())
            seen = self._measure(worker)
            furthest = tuple(map(max, seen, before)) if before else seen
            if before and furthest != before:
                self.moved = now
            self.furthest[worker.instance] = furthest

    def _measure(self, worker: SupervisedWorker) -> Measure:
        told = worker.work_done or (0, 0, 0)
        counts = told[-1] > 0  # from here on its own figure says more than that it is busy
        return (int(worker.was_ready), *told, 0 if counts else self.steps(worker))


def waited_for(workers: Sequence[SupervisedWorker]) -> str:
    """`3/7, context-1 reads candles, 14 600 so far`: how many are ready, and what the first others do."""
    late = sorted((worker for worker in workers if worker.state != "ready"), key=lambda worker: worker.state == "new")
    said = "; ".join(f"{worker.instance} {why_late(worker)}" for worker in late[:NAMED])
    more = f" and {len(late) - NAMED} more" if len(late) > NAMED else ""
    return f"{len(workers) - len(late)}/{len(workers)}" + (f", {said}{more}" if said else "")


def why_late(worker: SupervisedWorker) -> str:
    if worker.state == "new":
        return "waits for the others"
    if worker.state == "waiting":
        return "ended and is started again"
    if worker.state == "starting" and not worker.unready_because:
        return "is loading"
    return worker.unready_because or worker.state
