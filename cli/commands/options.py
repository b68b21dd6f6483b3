"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

StateDir = Annotated[
    Path,
    typer.Option("--state-dir", help="Where servers, logs and keys are kept.", show_default=".perpetua of the project"),
]
Data = Annotated[Path | None, typer.Option(help="Folder of <symbol>-1m.csv.gz candles.", show_default=False)]
