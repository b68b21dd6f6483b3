"""Close everything at the venue itself, when nothing else works."""

import sys
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE, StateFolder


def flatten(
    account: Annotated[str, typer.Option(help="The account's id.")],
    direct: Annotated[bool, typer.Option("--direct", help="At the venue itself, without NATS and MongoDB.")] = False,
    venue: Annotated[str | None, typer.Option(help="aster or binanceusdm.", show_default="the account's")] = None,
    credential: Annotated[
        str | None, typer.Option(help="Name of its credential.", show_default="the account's")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="The venue's demo trading.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Cancel all orders and close all positions of a live account. Exit code 1 when something is left."""
    import asyncio
    import os

    from cli.ask.flatten import close_all, find_way

    if not direct:
        raise CliError(
            "flatten works at the venue itself", "add --direct; a running executor takes `perpetua control flatten`"
        )
    way = find_way(account, venue, credential, demo, StateFolder(state_dir.resolve()).config)
    if not yes and not sys.stdin.isatty():
        raise CliError("flatten closes everything and asks before", "add --yes")
    if not yes:
        typer.confirm(f"cancel ALL orders and close ALL positions of {way.credential} at {way.venue}?", abort=True)
    left = asyncio.run(close_all(way, os.environ, typer.echo))
    if not left.flat:
        raise CliError(
            f"still open: {', '.join((*left.positions, *left.orders))}",
            "run it again; else close them on the exchange's own site",
        )
    typer.echo("flat: no orders, no positions")
