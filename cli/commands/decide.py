"""`perpetua decide`: a decision of an account now, or a recorded one again."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE


def decide(
    account: Annotated[
        str | None, typer.Argument(help="The account that shall decide now.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and judge; order nothing.")] = False,
    symbols: Annotated[str | None, typer.Option(help="About these, by commas.", show_default="the account's")] = None,
    timeout: Annotated[float, typer.Option(min=1, max=120, help="Seconds to wait for its end.")] = 60.0,
    again: Annotated[
        str | None, typer.Option(metavar="ID", help="Instead: make this recorded decision again.", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Ask this model (or chain a,b).", show_default=False)] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="With --again, under this version of the prompt: 3, or swing@3.", show_default=False),
    ] = None,
    template: Annotated[
        Path | None, typer.Option(help="With --again, under the template in this file.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Let an account decide now, or (--again) make a recorded decision again and show what differs.

    --again publishes and trades nothing. Without a model, a prompt or a template its raw answers are read again,
    without a call: the bytes must be the same. With one the call is made from here, with the keys of this environment
    and the catalogue of the deciders.
    """
    if (account is None) == (again is None):
        raise CliError("say which account shall decide", "perpetua decide ACCOUNT, or --again ID for a recorded one")
    if again is not None:
        if dry_run or symbols is not None:
            raise CliError(
                "--again takes no --dry-run and no --symbols", "a recorded decision is as it was; leave them out"
            )
        _again(again, (model, prompt, template), as_json, state_dir)
    elif prompt is not None or template is not None:
        raise CliError("--prompt and --template belong to --again", "an account decides under its strategy's prompt")
    else:
        _now(str(account), (dry_run, symbols, model, timeout), as_json, state_dir)


def _now(account: str, wish: tuple[bool, str | None, str | None, float], as_json: bool, state_dir: Path) -> None:
    from cli.ask.generate import DecisionWish, generate, lines

    dry_run, symbols, model, timeout = wish
    about = tuple(part for part in (symbols or "").split(",") if part)
    result = generate(state_dir, DecisionWish(account, dry_run, about, model, timeout))
    typer.echo(result.model_dump_json(exclude_none=True) if as_json else "\n".join(lines(result, dry_run=dry_run)))


def _again(again: str, wish: tuple[str | None, str | None, Path | None], as_json: bool, state_dir: Path) -> None:
    import asyncio
    import json

    from cli.ask.again import AgainWishes, comparison
    from cli.ask.again import again as make_again
    from services.decider.domain.replay import differences

    model, prompt, template = wish
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
