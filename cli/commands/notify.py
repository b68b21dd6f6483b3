"""`perpetua notify`: whom Perpetua tells. Each command imports what it needs when it runs."""

from typing import Annotated

import typer

from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE

notify_app = typer.Typer(help="Whom alerts and trades are told.", no_args_is_help=True)
COLUMNS = ("route", "by", "kind", "severity", "account", "quiet", "secrets")


@notify_app.command("routes")
def notify_routes() -> None:
    """The routes of notifications.yaml: what each is told, and the names of its secrets. Addresses are not shown."""
    import os

    from cli.run.routes import folder_of, rows, secrets_of
    from cli.screen.tables import say
    from services.notifier.application.routes_file import load
    from services.notifier.domain.routes import RoutesError

    try:
        routes, secrets = load(folder_of(os.environ)), secrets_of(os.environ)
    except RoutesError as error:
        raise CliError(str(error), "correct the file: docs/notifications.md") from error
    if not routes:
        typer.echo("no routes; docs/notifications.md says how to write one")
        return
    say(COLUMNS, rows(routes, secrets))


@notify_app.command("test")
def notify_test(
    route: Annotated[
        str | None, typer.Argument(metavar="[ROUTE]", help="As in notifications.yaml.", show_default="all of them")
    ] = None,
    state_dir: StateDir = STATE,
) -> None:
    """Let the running notifier send a test, at once and without a second try. Exit code 1 where one is not taken."""
    import asyncio
    import os

    from cli.ask.address import nats_url
    from cli.ask.notify import line, try_routes
    from cli.run.routes import folder_of
    from services.notifier.application.routes_file import load
    from services.notifier.domain.routes import RoutesError, named

    try:
        wanted = named(load(folder_of(os.environ)), route)
    except RoutesError as error:
        raise CliError(str(error), "see `perpetua notify routes`") from error

    async def tried() -> bool:
        failed = False
        async for outcome in try_routes(nats_url(state_dir), wanted):
            typer.echo(line(outcome))
            failed |= outcome.outcome == "failed"
        return failed

    if asyncio.run(tried()):
        raise typer.Exit(1)
