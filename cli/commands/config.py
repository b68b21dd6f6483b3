"""`perpetua config`, and what the commands of accounts and strategies share; imports are made when a command runs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.options import StateDir
from cli.project import STATE

if TYPE_CHECKING:
    from cli.ask.configuring import ConfigurationDesk

config_app = typer.Typer(help="Everything that is configured, and its history.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it is kept with the change.")]
AtVersion = Annotated[
    int | None, typer.Option("--at", min=1, help="Only if it is at this version.", show_default=False)
]
AccountArg = Annotated[str, typer.Argument(metavar="ACCOUNT")]


def on_desk(state_dir: Path, work: Callable[["ConfigurationDesk"], Awaitable[Any]]) -> Any:
    from cli.ask.address import nats_url
    from cli.ask.configuring import desk

    async def run() -> Any:
        async with desk(nats_url(state_dir)) as made:
            return await work(made)

    return asyncio.run(run())


def say_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


@config_app.command("list")
def config_list(
    prefix: Annotated[str, typer.Argument(help="Only keys that begin so, e.g. account.")] = "",
    state_dir: StateDir = STATE,
) -> None:
    """All keys of the configuration."""

    async def work(desk: "ConfigurationDesk") -> list[str]:
        return sorted(key for key in await desk.store.present("") if key.startswith(prefix))

    for key in on_desk(state_dir, work):
        typer.echo(key)


@config_app.command("history")
def config_history(
    key: Annotated[str, typer.Argument(metavar="KEY", help="e.g. account.scalping")],
    as_json: AsJson = False,
    state_dir: StateDir = STATE,
) -> None:
    """The last 64 writes of a key, newest first; older ones are in the audit trail."""
    say_history(state_dir, key, as_json)


def say_history(state_dir: Path, key: str, as_json: bool) -> None:
    from cli.ask.configuring import history_json, history_lines

    found = on_desk(state_dir, lambda desk: desk.history(key))
    if as_json:
        say_json(history_json(found))
        return
    for line in history_lines(found):
        typer.echo(line)
