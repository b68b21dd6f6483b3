"""Logs of a run as people read them."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cli.errors import CliError
from cli.project import StateFolder

LOOK_S = 0.3
BLOCK = 1 << 20
OTHERS = ("nats", "mongodb", "redis", "supervisor")


def find(state_dir: Path, worker: str, workers: Sequence[str]) -> Path:
    """The newest log of a worker or a server; without a number the first copy's. CliError with those that there are."""
    folder = StateFolder(state_dir.resolve()).logs
    there = sorted(file for file in folder.glob("*.log")) if folder.is_dir() else []
    by_name = {file.name.removesuffix(".log"): file for file in there}
    log = by_name.get(worker) or by_name.get(f"{worker}-1")
    if log is None:
        hint = f"there are {', '.join(by_name)}" if by_name else _start_of(worker, workers)
        raise CliError(f"there is no log of {worker[:40]!r} in {folder}", hint)
    return log


def _start_of(worker: str, workers: Sequence[str]) -> str:
    if worker in (*workers, *OTHERS) or worker.rpartition("-")[0] in workers:
        return "start it by `perpetua up` or `perpetua demo`"
    return f"there may be {', '.join((*workers, *OTHERS))}"


def last(log: Path, count: int, *, raw: bool) -> list[str]:
    with log.open("rb") as lines:
        lines.seek(max(0, lines.seek(0, 2) - BLOCK))
        found = lines.read().decode(errors="replace").splitlines()[-count:]
    return found if raw else [line_of(line) for line in found]


def following(log: Path, *, raw: bool) -> Iterator[str]:
    """What is written from now on, endless; also after the log was begun anew."""
    place, rest = log.stat().st_size, ""
    while True:
        size = log.stat().st_size if log.exists() else 0
        if size < place:
            place, rest = 0, ""
        if size > place:
            with log.open("rb") as lines:
                lines.seek(place)
                new = lines.read()
            place += len(new)
            *whole, rest = (rest + new.decode(errors="replace")).split("\n")
            yield from whole if raw else map(line_of, whole)
        time.sleep(LOOK_S)


def line_of(line: str) -> str:
    """`01:23:45 WARNING publishing is interrupted: …` of a JSON line; another one as it is."""
    try:
        entry = json.loads(line)
        moment, level, said = str(entry["ts"]), str(entry["level"]), str(entry["msg"])
    except (ValueError, KeyError, TypeError):
        return line
    more = str(entry.get("exception") or "").strip().rpartition("\n")[2]
    return f"{moment[11:19]} {level.upper():<8} {said}" + (f": {more}" if more else "")
