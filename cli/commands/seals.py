"""`perpetua seals`: the sealed history. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.project import STATE

seals_app = typer.Typer(help="The sealed history of decisions and orders.", no_args_is_help=True)


@seals_app.command("heads")
def seals_heads(state_dir: StateDir = STATE) -> None:
    """The last seal of each account, a line each: keep them where nobody of this system can write."""
    import asyncio

    from cli.ask.address import servers_of
    from cli.ask.seals import heads

    with servers_of(state_dir) as (_, mongodb_url):
        for line in asyncio.run(heads(mongodb_url)):
            typer.echo(line)


@seals_app.command("export")
def seals_export(
    file: Annotated[Path, typer.Argument(help="The file to write, lines of JSON.")], state_dir: StateDir = STATE
) -> None:
    """All seals, and the messages under them that the log still has, in one file that is checked without the system."""
    import asyncio

    from cli.ask.address import servers_of
    from cli.ask.seals import export

    with servers_of(state_dir) as (nats_url, mongodb_url), file.open("w") as out:
        seals, messages = asyncio.run(export(nats_url, mongodb_url, out))
    typer.echo(f"{file}: {seals} seals, {messages} messages")


@seals_app.command("check")
def seals_check(
    file: Annotated[Path, typer.Argument(help="A file of `seals export`.")],
    heads: Annotated[
        Path | None, typer.Option(help="Lines of `seals heads` that were kept elsewhere.", show_default=False)
    ] = None,
) -> None:
    """Whether an exported history is what was sealed. Asks no system. Exit code 1: it is not; 2: nothing to check."""
    from cli.ask.seals import checked, spoken

    check = checked(file, heads)
    for line in spoken(check):
        typer.echo(line)
    if check.status != "holds":
        raise typer.Exit(1 if check.status == "broken" else 2)
