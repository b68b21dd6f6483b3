"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.own_variables import take_over
from cli.project import StateFolder


def _with_its_variables(folder: Path) -> Path:
    """Each command that is about a state folder has what the folder keeps, as though it were set in the environment."""
    take_over(StateFolder(folder.resolve()), os.environ)
    return folder


StateDir = Annotated[
    Path,
    typer.Option(
        "--state-dir",
        help="Where servers, logs and keys are kept.",
        show_default=".perpetua of the project, or of your home",
        callback=_with_its_variables,
    ),
]
Data = Annotated[Path | None, typer.Option(help="Folder of <symbol>-1m.csv.gz candles.", show_default=False)]
