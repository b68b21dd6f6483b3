"""`perpetua prompt` and `perpetua decide`. Each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
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


def decide(
    again: Annotated[str, typer.Option(metavar="ID", help="The recorded decision.")],
    model: Annotated[
        str | None, typer.Option(help="Ask this model (or chain a,b) on the same context.", show_default=False)
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Under this version of the strategy's prompt: 3, or swing@3.", show_default=False)
    ] = None,
    template: Annotated[Path | None, typer.Option(help="Under the template in this file.", show_default=False)] = None,
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """Make a recorded decision again and show what differs; nothing is published or traded.

    Without a model, a prompt or a template its raw answers are read again, without a call: the bytes must be the same.
    With one the call is made from here, with the keys of this environment and the catalogue of the deciders.
    """
    import asyncio
    import json

    from cli.ask.again import AgainWishes, comparison
    from cli.ask.again import again as make_again
    from services.decider.domain.replay import differences

    if prompt is not None and template is not None:
        raise CliError("--prompt and --template exclude each other", "give one of them")
    wishes = AgainWishes(model, prompt, template)
    pair = asyncio.run(make_again(state_dir, again, wishes))
    differing = differences(pair.recorded, pair.now)
    if as_json:
        typer.echo(
            json.dumps({"recorded": pair.recorded.model_dump(mode="json"), "now": pair.now.model_dump(mode="json")})
        )
    else:
        typer.echo("\n".join(comparison(pair)))
        if not wishes.asks:
            typer.echo("\n" + ("\n".join(differing) if differing else "the same bytes as recorded"))
    if not wishes.asks and differing:
        raise typer.Exit(1)
