"""The folder of a run: lines that are written once, and compared where they are there already."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

RUN, SUMMARY = "run.json", "summary.json"
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2


class OtherRun(Exception):
    """What the folder holds is of another run; the text names the file and the first difference."""


class Lines:
    """A file of lines. What an interrupted run left is compared with what would be written: a run that goes on proves
    that it is the same run. The last line may be cut; what follows it is written anew."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._path = path
        self._file = path.open("r+b")
        self._kept = path.stat().st_size
        self.count = 0

    def write(self, line: bytes) -> None:
        line += b"\n"
        self.count += 1
        if self._kept:
            self._compare(line)
        else:
            self._file.write(line)

    def close(self) -> None:
        """Cut what an earlier run wrote beyond this one's end."""
        if self._kept:
            self._file.truncate()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def leave(self) -> None:
        """Close as it is: the run was interrupted, and what an earlier one had further on stays."""
        self._file.close()

    def _compare(self, line: bytes) -> None:
        there = self._file.read(min(len(line), self._kept))
        if there == line:
            self._kept -= len(line)
            return
        if not line.startswith(there) or len(there) != self._kept:
            raise OtherRun(
                f"{self._path}:{self.count} is not what this run makes: it has {_short(there)}, not {_short(line)}"
            )
        self._file.seek(-len(there), os.SEEK_CUR)
        self._file.write(line)
        self._file.truncate()
        self._kept = 0


class RunFolder:
    """`run.json` says what was asked for, `summary.json` that all of it was done."""

    def __init__(self, folder: Path, asked: Mapping[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._claim(orjson.dumps(asked, option=_SORTED))
        self._open: dict[str, Lines] = {}

    @property
    def complete(self) -> bool:
        return (self.folder / SUMMARY).exists()

    def summary(self) -> Mapping[str, Any]:
        """Of a complete run."""
        told: Mapping[str, Any] = orjson.loads((self.folder / SUMMARY).read_bytes())
        return told

    def lines(self, name: str) -> Lines:
        if name not in self._open:
            self._open[name] = Lines(self.folder / name)
        return self._open[name]

    def finish(self, summary: Mapping[str, Any]) -> None:
        for lines in self._open.values():
            lines.close()
        made = self.folder / f"{SUMMARY}.new"
        made.write_bytes(orjson.dumps(summary, option=_SORTED))
        made.replace(self.folder / SUMMARY)

    def leave(self) -> None:
        for lines in self._open.values():
            lines.leave()

    def _claim(self, asked: bytes) -> None:
        claimed = self.folder / RUN
        if not claimed.exists():
            claimed.write_bytes(asked)
        elif claimed.read_bytes() != asked:
            raise OtherRun(f"{claimed} asks for another run")


def _short(line: bytes) -> str:
    text = line.decode(errors="replace").rstrip("\n")
    return text if len(text) <= 120 else text[:117] + "..."
