"""A server as a child process that cannot outlive us."""

import contextlib
import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import psutil

STOP_TIMEOUT_S = 5.0
_PR_SET_PDEATHSIG = 1
_LOG_LIMIT_BYTES = 16 * 1024 * 1024

_Job = tuple[Callable[[], "subprocess.Popen[bytes]"], "Future[subprocess.Popen[bytes]]"]
_jobs: "queue.SimpleQueue[_Job]" = queue.SimpleQueue()
_forker: threading.Thread | None = None
_forker_lock = threading.Lock()


def _work() -> None:
    while True:
        job, future = _jobs.get()
        try:
            future.set_result(job())
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            future.set_exception(error)


def _from_lasting_thread(job: Callable[[], "subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    """Run `job` in a thread that lasts as long as this process.

    Trap: PR_SET_PDEATHSIG fires when the *thread* that forked ends, not when the process does. Forked from a thread
    of a pool, a server would be killed as soon as that thread retires; so all forks happen in one daemon thread.
    """
    global _forker
    future: Future[subprocess.Popen[bytes]] = Future()
    with _forker_lock:
        if _forker is None or not _forker.is_alive():
            _forker = threading.Thread(target=_work, name="server-forker", daemon=True)
            _forker.start()
    _jobs.put((job, future))
    return future.result()


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does between fork and exec: ask the kernel to be killed when we end, however we end.

    Linux only; elsewhere a parent killed by SIGKILL leaves its servers, and the next start stops them as stale.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # we ended before the line above
            os._exit(1)

    return arrange


class Child:
    """A running server process: in a session of its own (Ctrl-C does not reach it), output appended to `log`."""

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        """Starts it. OSError when the program cannot be run."""
        self.log = log
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.unlink()
        with log.open("ab") as output:
            self._log_start = output.tell()
            arrange = _die_with_parent()
            self._process = _from_lasting_thread(
                lambda: subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(env),
                    start_new_session=True,
                    preexec_fn=arrange,
                )
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """The return code, or None while it runs; -9 for one ended by signal 9."""
        return self._process.poll()

    def ended_within(self, seconds: float) -> bool:
        """Wait up to `seconds` for its end; True when it ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when it has ended already."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """Wait for the end that SIGTERM brings, and kill after 5 s; continues a stopped one so that it can end."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        if not self.ended_within(STOP_TIMEOUT_S):
            self.kill()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()

    def listens_on(self, ports: Sequence[int]) -> bool:
        """True once this very process listens on all `ports`: somebody else's server there does not count."""
        try:
            connections = psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        mine = {found.laddr.port for found in connections if found.status == psutil.CONN_LISTEN}
        return mine.issuperset(ports)

    def output(self) -> str:
        """What it wrote since this start, at most the last 64 KiB."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - 64 * 1024))
            return log.read().decode(errors="replace")


def stop_stale(pid: int, program: str, home: Path) -> bool:
    """Stop a server that a former run left; True when there was one.

    Only a process whose command line names both `program` and `home` is touched: the pid may be somebody else's by now.
    """
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        argv = process.cmdline()
        if not argv or Path(argv[0]).name != program or not any(str(home) in word for word in argv[1:]):
            return False
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
        return True
    return False
