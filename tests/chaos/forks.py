"""Executors forked from a process that has imported everything: a new one works in a fraction of a second.

As a module it is that process: a line `start <failpoint>:<n>` on stdin forks an executor, `arm <failpoint>:<n>` tells
the present one where to die; `started <pid>`, `armed` and `ended <status>` answer on stdout.
"""

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from libs.runtime import failpoints
from libs.runtime.ending import end

NEVER = "never:1"


class Executor:
    """One executor at a time, which is started again whenever it dies; a test says where it dies."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._armed = asyncio.Event()
        self._started = asyncio.Event()
        self._news = asyncio.Condition()
        self._next: list[str] = []
        self.pid = 0
        self.deaths: list[str] = []
        self.odd: list[str] = []

    async def start(self) -> None:
        self._say(f"start {NEVER}")
        await self._started.wait()

    async def arm(self, where: str, *then: str) -> None:
        """Die at `where` (a failpoint and how often it is hit first), then at each of `then` in the next lives."""
        self._next = list(then)
        self._armed.clear()
        self._say(f"arm {where}")
        await self._armed.wait()

    async def disarm(self) -> None:
        await self.arm(NEVER)

    async def died(self, times: int) -> None:
        """Return when it has died so often in all."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.deaths) >= times)

    async def follow(self) -> None:
        """Read what the forking process tells, and start what has died."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            word, _, rest = line.decode().strip().partition(" ")
            if word == "started":
                self.pid = int(rest)
                self._started.set()
            elif word == "armed":
                self._armed.set()
            elif word == "ended":
                (self.deaths if rest == str(-signal.SIGKILL) else self.odd).append(rest)
                self._armed.set()  # it may have died before it read where
                self._say(f"start {self._next.pop(0) if self._next else NEVER}")
                async with self._news:
                    self._news.notify_all()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())


@asynccontextmanager
async def forking(settings: Mapping[str, str]) -> AsyncIterator[Executor]:
    """An executor that is running; it and its parent are gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.forks",
        env={**os.environ, **settings, "PERPETUA_FAILPOINT": "later", "PERPETUA_INSTANCE": "forked"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    made = Executor(process)
    following = asyncio.create_task(made.follow())
    try:
        await made.start()
        yield made
    finally:
        await end([following])
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class _Parent:
    """The forking side: one child, a pipe to it, and the lines of stdin."""

    def __init__(self) -> None:
        self.child = 0
        self.pipe = -1
        self.waiting = b""

    def start(self, where: str) -> None:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writing)
            _live(reading, where)
        os.close(reading)
        self.child, self.pipe = child, writing
        _tell(f"started {child}")

    def serve(self) -> None:
        """Until stdin is closed."""
        while True:
            readable, _, _ = select.select([0], [], [], 0.01)
            if readable:
                data = os.read(0, 65_536)
                if not data:
                    return
                *lines, self.waiting = (self.waiting + data).split(b"\n")
                for line in lines:
                    self._do(line.decode())
            self._reap()

    def _do(self, line: str) -> None:
        word, _, where = line.partition(" ")
        if word == "start":
            self.start(where)
        else:
            try:
                os.write(self.pipe, f"{where}\n".encode())
            except OSError:  # it has just died: the next one is told where to die when it is started
                _tell("armed")

    def _reap(self) -> None:
        if not self.child:
            return
        pid, status = os.waitpid(self.child, os.WNOHANG)
        if pid:
            self.child = 0
            os.close(self.pipe)
            _tell(f"ended {os.waitstatus_to_exitcode(status)}")

    def end(self) -> None:
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)


def _live(reading: int, where: str) -> None:
    """The child: an executor as it is in production, and a thread that is told where to die."""
    from libs.runtime.worker import run
    from services.executor.app import create_app

    _arm(where)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(os.environ.get("EXECUTOR_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)

    def listen() -> None:
        with os.fdopen(reading) as lines:
            for line in lines:
                _arm(line.strip())
                _tell("armed")

    threading.Thread(target=listen, daemon=True).start()
    run(create_app)


def _arm(where: str) -> None:
    name, _, count = where.partition(":")
    failpoints.arm(name, int(count))


def _tell(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    import services.executor.app  # noqa: F401 - what every executor would import again

    parent = _Parent()
    try:
        parent.serve()
    finally:
        parent.end()
