"""What the deciders of a run say of themselves: their catalogue, who decides by default, what their keys are worth.

A worker was started with its own environment and its own models.yaml; this process may have others.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.probe import get
from cli.project import StateFolder
from cli.runfile import RunFile, WorkerEntry, running
from services.decider.domain import told
from services.decider.domain.catalogue import Catalogue, CatalogueError

PATIENCE_S = 3.0
NOTHING_RUNS = "nothing runs here that could be asked"


@dataclass(frozen=True, slots=True)
class ToldByDecider:
    """`catalogue.chain` is who decides by default, because of `by`. `checks` are its last checks of providers' keys,
    `trial` what came of the last one that somebody asked for."""

    instance: str
    catalogue: Catalogue
    by: str
    checks: tuple[dict[str, Any], ...]
    trial: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Why no decider has said anything."""

    why: str


async def ask_all(state_dir: Path) -> list[ToldByDecider] | Silence:
    """Every decider of the run in `state_dir` that answers."""
    run = _run_in(state_dir)
    if run is None:
        return Silence(NOTHING_RUNS)
    workers = [entry for entry in run.workers if entry.instance.rpartition("-")[0] == "decider" and entry.pid]
    answers = [found for entry in workers if (found := await _ask(entry)) is not None]
    return answers or Silence("no decider of the run answers; `perpetua status` says how it is")


async def ask(state_dir: Path) -> ToldByDecider | Silence:
    """The first that answers."""
    answers = await ask_all(state_dir)
    return answers if isinstance(answers, Silence) else answers[0]


def _run_in(state_dir: Path) -> RunFile | None:
    return running(StateFolder(state_dir.resolve()).run_file)


async def _ask(entry: WorkerEntry) -> ToldByDecider | None:
    answer = await get(entry.ops_port, "/health", timeout=PATIENCE_S)
    try:
        body = json.loads(answer[1]) if answer and answer[0] == 200 else {}
        section = body[told.SECTION]
        checks = tuple(body.get("models", {}).get("authentication", ()))
        return ToldByDecider(entry.instance, told.read(section), str(section["by"]), checks, body.get(told.TRIAL))
    except (ValueError, KeyError, TypeError, CatalogueError):
        return None  # of another version, or no decider of ours at this port
