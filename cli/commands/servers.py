"""`perpetua servers`: what servers of one's own hold, into a file and back. Of a state folder: `perpetua backup`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CliError

if TYPE_CHECKING:
    from cli.run.provision import ProvisionSettings

servers_app = typer.Typer(help="Back up servers of your own, and restore them.", no_args_is_help=True)


@servers_app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Replaced once the new one is whole; its owner's alone.")],
) -> None:
    """Streams, durables and the database into FILE (NATS_URL as the user keeper, MONGODB_URL as admin, or with _FILE).

    Stop the workers before; the servers go on.
    """
    from cli.run.server_backup import back_up

    with _writable(file):
        back_up(_settings(), file, typer.echo)
    typer.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


@servers_app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="Of `perpetua servers backup`.")],
    replicas: Annotated[int, typer.Option(min=1, max=5, help="Copies of each stream in a cluster of NATS.")] = 1,
    users: Annotated[
        Path | None, typer.Option(help="passwords.json of `secrets`: makes MongoDB's users.", show_default=False)
    ] = None,
) -> None:
    """Bring back into empty servers what FILE holds; `perpetua provision` comes after it."""
    from cli.run.server_backup import RestoreWishes
    from cli.run.server_backup import restore as run

    with _writable(file):
        run(_settings(), file, RestoreWishes(replicas, users), typer.echo)


@contextmanager
def _writable(file: Path) -> Iterator[None]:
    """Parts lie beside the file while they are read or written."""
    try:
        yield
    except OSError as error:
        raise CliError(f"cannot write beside {file}: {error.strerror or error}", "take a folder with room") from error


def _settings() -> "ProvisionSettings":
    from cli.commands.deployment import provision_settings

    return provision_settings()
