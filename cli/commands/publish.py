"""`perpetua publish`. Each command imports what it needs when it runs."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.ask.published import PublishedKind
from cli.commands.options import StateDir
from cli.errors import CliError
from cli.project import STATE, StateFolder

if TYPE_CHECKING:
    from services.context.settings import Settings

publish_app = typer.Typer(help="For publishers of ticks, funding and notes.", no_args_is_help=True)


@publish_app.callback()
def _root() -> None:  # with a single command typer would take `check` for an argument
    return


@publish_app.command("check")
def publish_check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON lines of subject and body, or of bodies; - reads stdin.")
    ],
    kind: Annotated[PublishedKind, typer.Option(help="What bodies without a subject are.")] = PublishedKind.TICK,
    alone: Annotated[bool, typer.Option("--alone", help="On an empty market, whatever runs here.")] = False,
    at: Annotated[
        str | None, typer.Option(help="Market time to judge at, as 2026-11-20T12:00:00Z.", show_default="now")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line for each message.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """What would become of messages, said by the workers' own functions. Publishes nothing. Exit code 1 where one would
    not count."""
    import asyncio

    from cli.ask import audience
    from cli.ask.publications import publications
    from cli.ask.rehearsal import FateKind, rehearse
    from cli.screen import fates as screen

    when, settings, messages = _time(at), _settings(), publications(_content(file), kind)
    if alone or not audience.is_there(state_dir):
        hearing = audience.of_files(StateFolder(state_dir.resolve()).config, when)
    else:
        hearing = asyncio.run(audience.of_run(state_dir, when, settings.replay_ticks))
    fates, stale = rehearse(messages, hearing, settings)
    if as_json:
        lines = [screen.as_json(fate) for fate in fates]
    else:
        lines = [*screen.told(fates), *screen.told_of(hearing, stale, settings.tick_age)]
    typer.echo("\n".join(lines))
    if any(fate.kind is not FateKind.ACCEPTED for fate in fates):
        raise typer.Exit(1)


def _settings() -> "Settings":
    """The context worker's, of this environment."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from libs.runtime.settings import settings_error
    from services.context.settings import Settings

    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        raise CliError(settings_error(error), "correct or unset that variable") from error


def _content(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}", "name another file, or - for stdin") from error


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(f"{text[:40]!r} is no time", "write it as 2026-11-20T12:00:00Z") from None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
