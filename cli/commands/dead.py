"""`perpetua dead`: what was put aside. Each command imports what it needs when it runs."""

from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE

dead_app = typer.Typer(help="Messages that were put aside, and why.", no_args_is_help=True)


@dead_app.command("list")
def dead_list(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, counted from the newest.")] = 100,
    state_dir: StateDir = STATE,
) -> None:
    """The dead letters, newest last."""
    import asyncio

    from cli.ask.address import nats_url
    from cli.ask.dead import dead_letters, list_line

    found = asyncio.run(dead_letters(nats_url(state_dir), limit))
    for one in found:
        typer.echo(list_line(one))
    if not found:
        typer.echo("no dead letters")


@dead_app.command("show")
def dead_show(
    which: Annotated[str, typer.Argument(metavar="ID", help="Number or id from `dead list`.")],
    state_dir: StateDir = STATE,
) -> None:
    """One dead letter whole: the error, and the message as it came."""
    import asyncio

    from cli.ask.address import nats_url
    from cli.ask.dead import dead_letters, pick_letter, show_lines

    found = asyncio.run(dead_letters(nats_url(state_dir)))
    for line in show_lines(pick_letter(found, which)):
        typer.echo(line)


@dead_app.command("replay")
def dead_replay(
    which: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Numbers or ids from `dead list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that were never replayed.")] = False,
    stream: Annotated[str | None, typer.Option(help="Only those of one stream, as REQUESTS.")] = None,
    state_dir: StateDir = STATE,
) -> None:
    """Publish messages that were put aside again, for the worker that refused them; what it is, is in the audit log."""
    import asyncio

    from cli.ask.address import nats_url
    from cli.ask.dead_replay import replay

    if bool(which) == every:
        raise CliError("which dead letters?", "name them, or say --all (with --stream for those of one stream)")
    done = asyncio.run(replay(nats_url(state_dir), which or [], every=every, stream=stream))
    for one in done:
        typer.echo(one.line())
    if not done:
        typer.echo("no dead letters to replay")
    if which and any(one.replayed_as is None for one in done):
        raise typer.Exit(1)
