"""Keep a state folder, bring it back, start it over."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE, StateFolder, place, shown


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to write, e.g. perpetua.tar.gz.")],
    state_dir: StateDir = STATE,
) -> None:
    """Keep history, configuration, passwords and keys of a state folder in one file. Nothing may run there."""
    import os
    from datetime import UTC, datetime

    from cli.run.backup import write_backup

    manifest = write_backup(StateFolder(state_dir.resolve()), file, os.environ, datetime.now(UTC))
    typer.echo(f"{shown(file)}: {manifest.told()}; passwords and keys are in it, so that only you can read it")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `perpetua backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Also where a state is already, which ends.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Bring back a state folder. It is checked whole before anything is replaced."""
    from cli.run.restore import restore as restored

    state = StateFolder(state_dir.resolve())
    manifest = restored(state, file, replace=replace)
    typer.echo(f"{shown(state.folder)} is as of {manifest.made_at}: {manifest.told()}")
    typer.echo(f"go on by `perpetua up{place(state.folder)}`")


def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Start over: remove history, keys and logs of a state folder, and keep the configuration that is in it."""
    from cli.run.replacing import start_over

    state = StateFolder(state_dir.resolve())
    if not yes:
        if not sys.stdin.isatty():
            raise CliError("reset removes the history and asks before", "add --yes")
        typer.confirm(f"remove all history in {shown(state.folder)}?", abort=True)
    kept = start_over(state)
    typer.echo(f"{shown(state.folder)} is empty" + (f" but for {', '.join(kept)}" if kept else ""))
