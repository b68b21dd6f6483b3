"""A worker as a child process: started, asked for its readiness, ended; and what its exit code means."""

import json
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil

from cli.embedded.ports import is_free, pick
from cli.embedded.process import Child
from cli.run.backoff import Backoff
from libs.runtime import exits

KEPT_LOGS = 3
WorkerState = Literal["new", "starting", "ready", "unready", "waiting", "stopped"]


def exit_words(code: int) -> str:
    """What a return code says: ours by number, a signal by name."""
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return exits.in_words(code)


@dataclass
class SupervisedWorker:
    """One supervised process. `due` is when it is started again (monotonic seconds) while it waits."""

    name: str
    number: int
    log: Path
    env: Callable[[int], Mapping[str, str]]
    """ops port -> environment."""
    argv: Sequence[str]
    child: Child | None = None
    port: int = 0
    state: WorkerState = "new"
    started: float = 0.0
    due: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)
    restarts: int = 0
    was_ready: bool = False
    last_exit: int | None = None
    unready_because: str = ""
    work_done: tuple[int, ...] = ()
    """What it said of its start when it was last asked: see `cli.run.progress`."""
    asked: float = 0.0

    @property
    def instance(self) -> str:
        return f"{self.name}-{self.number}"

    def start(self, now: float) -> None:
        """Start the process on its former operations port when that is free, else on another."""
        if not self.port or not is_free(self.port):
            self.port = pick(1)[0]
        rotate(self.log)
        self.child = Child(self.argv, self.log, self.env(self.port))
        self.state, self.started, self.unready_because = "starting", now, ""

    def reap(self, now: float) -> int | None:
        """The return code, once, when the process has ended; it is then due for a restart after the back-off."""
        code = self.child.poll() if self.child else None
        if code is None:
            return None
        self.child = None
        self.backoff = self.backoff.died(now - self.started)
        self.state, self.last_exit, self.due = "waiting", code, now + self.backoff.delay
        return code

    def rss_bytes(self) -> int | None:
        if self.child is None:
            return None
        try:
            return int(psutil.Process(self.child.pid).memory_info().rss)
        except psutil.Error:
            return None

    def last_words(self) -> str:
        """The last line of its log that says something, shortened."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, 2) - 16_384))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return said(next((line.strip() for line in reversed(lines) if line.strip()), ""))[:300]


def said(line: str) -> str:
    """What a log line says: of a JSON line the message, with the last line of its exception."""
    try:
        entry = json.loads(line)
        return ": ".join(filter(None, (entry["msg"], entry.get("exception", "").strip().rpartition("\n")[2])))
    except (ValueError, KeyError, TypeError, AttributeError):
        return line


def rotate(log: Path, kept: int = KEPT_LOGS) -> None:
    """Keep the logs of the last starts as .1, .2, .3; the newest is the one without a number."""
    if not log.exists():
        return
    for n in range(kept - 1, 0, -1):
        older = log.with_name(f"{log.name}.{n}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{n + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))
