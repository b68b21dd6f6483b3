"""`perpetua experiment` and `perpetua usage`. Each command imports what it needs when it runs."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.project import STATE

experiment_app = typer.Typer(help="Models and prompts against each other, live or in the shadow.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="EXPERIMENT")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it is kept with the change.")]


@experiment_app.command("list")
def list_experiments(as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """All experiments, running and ended."""
    from cli.ask.address import nats_url
    from cli.ask.experiments import all_of, line

    found = asyncio.run(all_of(nats_url(state_dir)))
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
        return
    for one in found:
        typer.echo(line(one))
    if not found:
        typer.echo("no experiments; `perpetua experiment start FILE` begins one")


@experiment_app.command("start")
def start_experiment(
    file: Annotated[Path, typer.Argument(help="YAML: name, mode, arms; docs/models.md explains it.")],
    why: Why,
    state_dir: StateDir = STATE,
) -> None:
    """Begin an experiment: it holds from the next context on, for all workers, until it is stopped."""
    from cli.ask.address import nats_url
    from cli.ask.configuring import by
    from cli.ask.experiments import line, read, require_models, start
    from cli.ask.models import of_run

    body = read(file)
    require_models(body, asyncio.run(of_run(state_dir, None)))
    typer.echo(line(asyncio.run(start(nats_url(state_dir), body, by(why)))))


@experiment_app.command("stop")
def stop_experiment(name: Name, why: Why, state_dir: StateDir = STATE) -> None:
    """End an experiment; what it found stays readable."""
    from cli.ask.address import nats_url
    from cli.ask.configuring import by
    from cli.ask.experiments import line, stop

    typer.echo(line(asyncio.run(stop(nats_url(state_dir), name, by(why)))))


@experiment_app.command("show")
def show_experiment(name: Name, as_json: AsJson = False, state_dir: StateDir = STATE) -> None:
    """Its arms side by side: forward returns, cost, latency, abstentions, and what of that is more than chance."""
    from cli.ask.address import nats_url
    from cli.ask.experiments import as_json as in_json
    from cli.ask.experiments import lines, shown

    body, found = asyncio.run(shown(nats_url(state_dir), name, state_dir))
    if as_json:
        typer.echo(json.dumps(in_json(body, found), indent=2))
        return
    for each in lines(body, found):
        typer.echo(each)


def show_usage(
    account: Annotated[str | None, typer.Option(help="Of this account only.")] = None,
    model: Annotated[str | None, typer.Option(help="Of this model only.")] = None,
    since: Annotated[str, typer.Option(help="The period until now in market time, such as 24h or 7d.")] = "24h",
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """Calls of models: how many, how fast, how many tokens, what cost; by model, account, strategy, session and day."""
    from cli.ask.usage import lines, span, used

    found = asyncio.run(used(state_dir, span(since), account, model))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    for each in lines(found):
        typer.echo(each)
