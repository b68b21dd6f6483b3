"""`perpetua prompt`. Each imports what it needs when it runs."""

from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.project import STATE

prompt_app = typer.Typer(help="What models are asked.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@prompt_app.callback()
def _prompt() -> None:
    return


@prompt_app.command("show")
def show_prompt(
    account: Annotated[str, typer.Option(help="Whose newest context it is written from.")],
    model: Annotated[
        str | None, typer.Option(help="For this model.", show_default="the one that decides for the account")
    ] = None,
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """Print exactly what would be sent for an account's newest context: model, version, hash, tokens, both parts."""
    import asyncio

    from cli.ask import prompts

    found = asyncio.run(prompts.show(state_dir, account, model))
    typer.echo(prompts.as_json(found) if as_json else "\n".join(prompts.lines(found)))
