"""Look at what runs, at the market, at this machine, and at the form of messages."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Data, StateDir
from cli.errors import CliError
from cli.project import STATE, StateFolder, shown

PIPED_WIDTH = 120


def status(state_dir: StateDir = STATE) -> None:
    """What runs, and how it is doing. Exit code 1 when something is not well."""
    import asyncio

    from rich.console import Console

    from cli.ask.status import look
    from cli.screen.status_view import render

    console = Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
    found = asyncio.run(look(StateFolder(state_dir.resolve())))
    console.print(render(found, console.width))
    if not found.healthy:
        raise typer.Exit(1)


def page(state_dir: StateDir = STATE) -> None:
    """An address of the page in the browser. It signs in once, within an hour."""
    from cli.ask.api import Api

    typer.echo(Api(state_dir).page())


def market(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Symbols, prices and their age, candles, gaps and differences, and how far context workers lag behind."""
    import asyncio

    from rich.console import Console

    from cli.ask.address import nats_url
    from cli.ask.market import look
    from cli.runfile import running
    from cli.screen.market_view import render

    run = running(StateFolder(state_dir.resolve()).run_file)
    found = asyncio.run(look(nats_url(state_dir), run.workers if run else ()))
    if as_json:
        typer.echo(found.as_json())
        return
    console = Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
    console.print(render(found))


def doctor(
    data: Data = None,
    state_dir: StateDir = STATE,
) -> None:
    """Check this machine and the configuration, and say what to do. Exit code 1 when something would not work."""
    import os

    from cli.run.doctor import examine

    failed = False
    for finding in examine(StateFolder(state_dir.resolve()), os.environ, data):
        typer.echo(finding.line())
        failed |= finding.level == "fail"
    if failed:
        raise typer.Exit(1)


def schemas(
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the files to.", show_default="list their names")
    ] = None,
) -> None:
    """The JSON Schemas of all messages."""
    from libs.schemas.export import documents

    made = documents()
    if out is None:
        for name in made:
            typer.echo(name)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (out / name).write_text(text)
    except OSError as error:
        raise CliError(f"cannot write to {out}: {error.strerror}", "name another folder") from error
    typer.echo(f"{len(made)} schemas in {shown(out)}")
