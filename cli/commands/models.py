"""The commands below `perpetua models`. Each imports what it needs when it runs."""

from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE

models_app = typer.Typer(help="Which models decide, and whether their keys work.", no_args_is_help=True)
Models = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Names of the catalogue.")]


@models_app.command("list")
def list_models(state_dir: StateDir = STATE) -> None:
    """The catalogue, and who decides where no account, strategy or request says otherwise."""
    import asyncio

    from cli.ask.address import nats_url
    from cli.ask.models import list_lines, of_run, switched

    try:
        url = nats_url(state_dir)
    except CliError:  # nothing runs: then nothing was switched either
        url = None
    for line in list_lines(asyncio.run(of_run(state_dir, asyncio.run(switched(url)) if url else None))):
        typer.echo(line)


@models_app.command("check")
def check_models(models: Models = None, state_dir: StateDir = STATE) -> None:
    """Whether the providers take the keys that the deciders have, else yours: asked now, for nothing. Without names,
    those of the models that decide."""
    import asyncio

    from cli.ask.address import nats_url
    from cli.ask.models import chain_of, check, failed, of_run, switched, whose

    try:
        url: str | None = nats_url(state_dir)
    except CliError:
        url = None
    found = asyncio.run(of_run(state_dir, asyncio.run(switched(url)) if url else None))
    checks = asyncio.run(check(found, chain_of(found, models or ()), url))
    typer.echo(whose(found))
    for each in checks:
        typer.echo(each.line())
    if failed(checks):
        raise typer.Exit(1)


@models_app.command("switch")
def switch_models(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="In the order in which they are asked.")],
    why: Annotated[str, typer.Option(help="Kept in the audit.")],
    by: Annotated[str, typer.Option(envvar="USER", show_envvar=False, help="Kept in the audit.")] = "unknown",
    state_dir: StateDir = STATE,
) -> None:
    """Let other models decide from now on: each must take its key and answer a small call (a fraction of a cent)."""
    import asyncio

    from cli.ask.address import nats_url
    from cli.ask.models import chain_of, looked, switch, whose

    url = nats_url(state_dir)
    found = asyncio.run(looked(url, state_dir))
    chain = chain_of(found, models)
    asyncio.run(switch(url, found, chain, {"by": by, "why": why}))
    typer.echo(f"from now on: {', '.join(entry.id for entry in chain)}  (tried {whose(found)})")


@models_app.command("reset")
def reset_models(
    why: Annotated[str, typer.Option(help="Kept in the audit.")],
    by: Annotated[str, typer.Option(envvar="USER", show_envvar=False, help="Kept in the audit.")] = "unknown",
    state_dir: StateDir = STATE,
) -> None:
    """Let those decide whom LLM_MODEL or models.yaml name."""
    import asyncio

    from cli.ask.address import nats_url
    from cli.ask.models import unswitch

    after = asyncio.run(unswitch(nats_url(state_dir), {"by": by, "why": why}, state_dir))
    typer.echo(f"from now on: {', '.join(after.chain)}  ({after.by})")
