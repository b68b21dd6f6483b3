"""`perpetua up` and `perpetua down`: the same run without a terminal."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from cli.errors import CliError
from cli.project import ROOT, StateFolder, shown
from cli.run.phases import READY
from cli.run.replacing import is_state
from cli.run.settings import StartSettings
from cli.run.signals import Interrupts
from cli.run.supervised import rotate
from cli.runfile import RunFile, load, running

SILENCE_S = 60.0
"""Beyond the start's own patience: the process ends by itself where nothing moves, and says why."""
STOP_TIMEOUT_S = 15.0
POLL_S = 0.1


def start_detached(state: StateFolder, arguments: Sequence[str], say: Callable[[str], None]) -> RunFile:
    """Start `perpetua up --foreground` in a session of its own and wait until it is ready, repeating what it says.

    CliError with the reason when it ends instead. A signal meanwhile ends it too.
    """
    if (found := running(state.run_file)) is not None:
        raise CliError(
            f"`perpetua {found.command}` runs here already (process {found.pid})",
            "`perpetua status` shows it, `perpetua down` ends it",
        )
    log = state.supervisor_log
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        rotate(log)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli.main", "up", "--foreground", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )
    except OSError as error:
        raise CliError(f"cannot use {state.folder}: {error.strerror}", "check that the folder is writable") from error
    with Interrupts() as interrupts:
        try:
            return _wait(process, state, log, say)
        except BaseException:
            interrupts.close()
            process.terminate()
            process.wait(STOP_TIMEOUT_S)
            raise


def _wait(process: "subprocess.Popen[bytes]", state: StateFolder, log: Path, say: Callable[[str], None]) -> RunFile:
    patience = StartSettings().start_patience + SILENCE_S
    deadline, told = time.monotonic() + patience, 0
    while True:
        found = load(state.run_file)
        ended = process.poll() is not None
        lines = log.read_text(errors="replace").splitlines()
        if ended:
            raise _failure(lines, log)
        for line in lines[told:]:
            if not line.startswith(("error: ", "hint: ")):  # what it ends with is raised here, once
                say(line)
        if len(lines) > told:
            deadline, told = time.monotonic() + patience, len(lines)
        if found is not None and found.pid == process.pid and found.phase == "ready" and _told_all(lines):
            return found
        if time.monotonic() > deadline:
            raise CliError(f"the start has said nothing for {patience:g} s", f"see {shown(log)}")
        time.sleep(POLL_S)


def _told_all(lines: Sequence[str]) -> bool:
    """The run file is written just before the last line of the start."""
    return any(line.startswith(READY) for line in lines)


def _failure(lines: Sequence[str], log: Path) -> CliError:
    """The error that the background process ended with, as `cli.main.run` writes it."""
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
    if said:
        return CliError(said[-1], hints[-1] if hints else f"see {shown(log)}")
    return CliError("the background process ended during its start", f"see {shown(log)}")


def stop(state: StateFolder) -> RunFile | None:
    """End what runs in `state`; None when nothing does. By SIGKILL after 15 s: its children go with it."""
    found = running(state.run_file)
    if found is None:
        return None
    try:
        process = psutil.Process(found.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
    except psutil.NoSuchProcess:
        return found
    except psutil.AccessDenied as error:
        raise CliError(f"process {found.pid} belongs to another user", "stop it as that user") from error
    return found


def wipe(state: StateFolder) -> None:
    """Remove the folder of the run. CliError when it does not look like one: a wrong --state-dir would be dear."""
    if not state.folder.exists():
        return
    if not is_state(state.folder):
        raise CliError(f"{state.folder} is no state folder of Perpetua", "name the right one by --state-dir")
    try:
        shutil.rmtree(state.folder)
    except OSError as error:
        raise CliError(f"cannot remove {error.filename}: {error.strerror}", "check its permissions") from error
