"""`perpetua key`. Each command imports what it needs when it runs."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE

key_app = typer.Typer(help="Keys of the API: who may do what, for which accounts.", no_args_is_help=True)


@key_app.command("create")
def key_create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is; changes are signed by it.")],
    scopes: Annotated[str, typer.Option(help="Of read, decide, trade, publish, admin; by commas.")] = "read",
    accounts: Annotated[
        str | None, typer.Option(help="For these accounts only, by commas.", show_default="all")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="It ends after so many days.", show_default="never")] = None,
    state_dir: StateDir = STATE,
) -> None:
    """Make a key. Its token is printed this once and kept nowhere."""
    from cli.ask.address import nats_url
    from cli.ask.api_keys import create

    only = [part for part in (accounts or "").split(",") if part]
    key, token = asyncio.run(create(nats_url(state_dir), name, scopes.split(","), only, days))
    typer.echo(token)
    typer.echo(f"{key.key_id}: keep the line above; it is not shown again", err=True)


@key_app.command("list")
def key_list(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False, state_dir: StateDir = STATE
) -> None:
    """All keys, ended ones too, oldest first. Tokens are kept nowhere."""
    from cli.ask.address import nats_url
    from cli.ask.api_keys import in_json, line, listed

    keys, now = asyncio.run(listed(nats_url(state_dir))), datetime.now(UTC)
    if as_json:
        typer.echo(json.dumps([in_json(key, now) for key in keys], indent=2))
        return
    for key in keys:
        typer.echo(line(key, now))


@key_app.command("revoke")
def key_revoke(
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Ids as `list` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every key, the one of this command included.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """End keys at once, at every gateway. After --all, `perpetua up` makes a new key for the command."""
    from cli.ask.address import nats_url
    from cli.ask.api_keys import revoke

    if every == bool(keys):
        raise CliError("say which keys", "name them, or add --all")
    ended = asyncio.run(revoke(nats_url(state_dir), None if every else keys))
    typer.echo(f"ended: {len(ended)} keys" + (f" ({', '.join(ended)})" if ended and not every else ""))
