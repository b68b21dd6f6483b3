"""`perpetua verify`: whether what a system has stored keeps its promises."""

from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE

NOTHING_CHECKED = 2


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Check a running or stopped system: nothing lost, nothing doubled, balanced books.

    Reads the log, MongoDB and the accounts' books, and changes nothing. Exit code 0: what can be checked holds; 1: a
    promise is broken; 2: nothing could be checked.
    """
    import asyncio
    import json

    from cli.ask.address import servers_of
    from cli.ask.verifying import lines, plain, verified_at
    from cli.embedded.errors import ServerError

    try:
        with servers_of(state_dir) as (nats_url, mongodb_url):
            result = asyncio.run(verified_at(nats_url, mongodb_url))
    except (CliError, ServerError) as error:
        raise CliError(error.message, error.hint, NOTHING_CHECKED) from error
    typer.echo(json.dumps(plain(result)) if as_json else "\n".join(lines(result)))
    if result.exit_code:
        raise typer.Exit(result.exit_code)
