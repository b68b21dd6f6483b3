"""The commands below `perpetua context`. Each imports what it needs when it runs."""

import sys
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.project import STATE, StateFolder

PIPED_WIDTH = 140
context_app = typer.Typer(help="What a model is told.", no_args_is_help=True)


@context_app.callback()
def _root() -> None:  # with a single command typer would take `show` for an argument
    return


@context_app.command("show")
def context_show(
    account: Annotated[str, typer.Option(help="The account's id.")],
    stored: Annotated[bool, typer.Option("--stored", help="The newest that a worker built, not one of now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """What a model would be told about an account now, with ages and what is missing. Publishes and asks nothing."""
    import asyncio

    from rich.console import Console

    from cli.ask import context
    from cli.ask.address import nats_url
    from cli.ask.ticks import tick_sizes
    from cli.screen.context_view import render

    look = context.stored if stored else context.fresh
    shown = asyncio.run(look(nats_url(state_dir), account))
    if as_json:
        typer.echo(shown.as_json())
    else:
        console = Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
        console.print(render(shown, tick_sizes(StateFolder(state_dir.resolve()).config)))
