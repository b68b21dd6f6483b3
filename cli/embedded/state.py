"""What a state folder remembers of its servers (ports, process ids), and the lock that makes it one run's."""

import fcntl
import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from cli.embedded.errors import ServerError


@dataclass
class Remembered:
    """One server's line in servers.json. `ports` as `Kind.argv` takes them; `pid` None when stopped."""

    ports: list[int] = field(default_factory=list)
    pid: int | None = None


def load(file: Path) -> dict[str, Remembered]:
    """What was remembered; empty when there is nothing, or nothing that can be read."""
    try:
        told = json.loads(file.read_text())
        return {
            name: Remembered([int(port) for port in one["ports"]], None if one["pid"] is None else int(one["pid"]))
            for name, one in told.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save(file: Path, remembered: dict[str, Remembered]) -> None:
    """Replaces the file at once, so that a reader never sees half of it."""
    scratch = file.with_suffix(".tmp")
    scratch.write_text(json.dumps({name: asdict(one) for name, one in remembered.items()}, indent=1))
    scratch.replace(file)


class Lock:
    """Held by one process per state folder; the kernel lets it go when that process ends, however it ends."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file: IO[str] | None = None

    def take(self) -> None:
        """ServerError naming the holder when somebody else has it."""
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise ServerError(
                f"{self._path.parent} is in use by {holder}",
                "stop that one first (Ctrl-C in its terminal, or kill its process), or run in another folder",
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} ({' '.join(sys.argv)[:80]})")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Lets it go; the file stays, since removing it would let two others hold it at once."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None
