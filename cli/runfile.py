"""`.perpetua/run.json`: what runs now, for `status`, `down` and a second start."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

Phase = Literal["starting", "ready", "stopping"]


@dataclass
class WorkerEntry:
    instance: str
    pid: int | None
    ops_port: int
    state: str
    restarts: int
    note: str = ""


@dataclass
class RunFile:
    """`pid` and `born` (its start time) name the supervising process beyond doubt."""

    pid: int
    born: float
    command: str
    phase: Phase = "starting"
    market: str = ""
    speed: float = 1.0
    gateway_url: str = ""
    api_key_file: str = ""
    servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    workers: list[WorkerEntry] = field(default_factory=list)

    @classmethod
    def of_this_process(cls, command: str) -> "RunFile":
        return cls(os.getpid(), psutil.Process().create_time(), command)

    @property
    def alive(self) -> bool:
        try:
            return abs(psutil.Process(self.pid).create_time() - self.born) < 1.0
        except psutil.Error:
            return False

    def save(self, file: Path) -> None:
        """Replaces the file at once: a reader never sees half of it. For the owner only: URLs may hold passwords."""
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(".tmp")
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps(asdict(self), indent=1))
        scratch.replace(file)


def load(file: Path) -> RunFile | None:
    """The run that the file tells of, or None where there is none that can be read."""
    try:
        content: Mapping[str, Any] = json.loads(file.read_text())
        workers = [WorkerEntry(**one) for one in content.get("workers", [])]
        return RunFile(**{**content, "workers": workers})
    except (OSError, ValueError, TypeError):
        return None


def running(file: Path) -> RunFile | None:
    """The run that is alive now, or None."""
    found = load(file)
    return found if found is not None and found.alive else None
