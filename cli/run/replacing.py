"""A state folder as a whole: kept to oneself while nothing runs in it, and replaced by another that was built aside."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cli.embedded.state import Lock
from cli.errors import CliError
from cli.project import StateFolder, place, shown
from cli.runfile import running

LOCK = "servers.lock"
MARKS = frozenset({"servers.json", LOCK, "run.json", "logs"})
"""What only a state folder has one of."""


@contextmanager
def at_rest(state: StateFolder) -> Iterator[None]:
    """Nothing runs in the folder, and nothing is started while this lasts. CliError where something runs, ServerError
    where somebody else has it so."""
    if (run := running(state.run_file)) is not None:
        raise CliError(
            f"`perpetua {run.command}` runs in {shown(state.folder)} (process {run.pid})",
            f"end it first: `perpetua down{place(state.folder)}`",
        )
    lock = Lock(state.folder / LOCK)
    with refusals():
        lock.take()
    try:
        yield
    finally:
        lock.release()


def is_state(folder: Path) -> bool:
    """A wrong --state-dir would be dear."""
    return folder.is_dir() and bool(MARKS.intersection(path.name for path in folder.iterdir()))


def is_empty(folder: Path) -> bool:
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


@contextmanager
def refusals() -> Iterator[None]:
    """What the file system refuses, in words."""
    try:
        yield
    except OSError as error:
        raise CliError(f"{error.filename or 'a file'}: {error.strerror}", "check permissions and free space") from error


@contextmanager
def built_aside(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that takes its place at the end, at once. Whatever goes wrong, `folder` is as it was."""
    aside, before = _beside(folder, "new"), _beside(folder, "before")
    with refusals():
        _put_back(folder, before)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True, mode=0o700)
    try:
        yield aside
        with refusals():
            _swap(folder, aside, before)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(before, ignore_errors=True)


def _beside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name.lstrip('.')}.{what}")


def _put_back(folder: Path, before: Path) -> None:
    """What was killed, or failed, between the two renames."""
    if before.exists() and not folder.exists():
        before.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


def _swap(folder: Path, aside: Path, before: Path) -> None:
    with ExitStack() as undo:
        if folder.exists():
            folder.rename(before)
            undo.callback(_put_back, folder, before)
        aside.rename(folder)
        undo.pop_all()


def start_over(state: StateFolder) -> list[str]:
    """Remove history, keys and logs; keep what people wrote. Returns the names that were kept."""
    if not is_state(state.folder):
        raise CliError(f"{state.folder} is no state folder of Perpetua", "name the right one by --state-dir")
    with at_rest(state), built_aside(state.folder) as aside:
        kept = [path for path in (state.own_config, state.variables) if path.exists()]
        with refusals():
            (aside / LOCK).touch()
            for path in kept:
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, aside / path.name)
    return [path.name for path in kept]
