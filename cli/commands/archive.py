"""`perpetua archive`: what left the database, and back. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.project import STATE

archive_app = typer.Typer(help="Old months that left the database.", no_args_is_help=True)


@archive_app.command("list")
def archive_list(
    folder: Annotated[Path, typer.Argument(help="The folder that PERPETUA_LEDGER_ARCHIVE_DIR names.")],
) -> None:
    """The files of an archive, and how large they are."""
    from cli.ask.archive import listed

    for line in listed(folder):
        typer.echo(line)


@archive_app.command("restore")
def archive_restore(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of an archive.")],
    database: Annotated[
        str | None, typer.Option(help="Into this database: the ledger would archive its own again.")
    ] = None,
    state_dir: StateDir = STATE,
) -> None:
    """Bring archived months back. What is there stays as it is; repeated, nothing comes twice."""
    import asyncio

    from cli.ask.archive import restored

    for line in asyncio.run(restored(state_dir, files, database)):
        typer.echo(line)
