"""`perpetua secrets` and `perpetua provision`: for servers that `perpetua up` does not start."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CliError

if TYPE_CHECKING:
    from cli.run.provision import ProvisionSettings


def make_secrets(
    folder: Annotated[Path, typer.Argument(help="Made if it is not there; its owner's alone.")],
    nats: Annotated[str, typer.Option(help="Host and port of NATS.")] = "nats:4222",
    mongodb: Annotated[str, typer.Option(help="Host and port of MongoDB.")] = "mongodb:27017",
    redis: Annotated[str, typer.Option(help="Host and port of Redis.")] = "redis:6379",
    authorities: Annotated[
        str,
        typer.Option("--ca", help="File, as workers see it, of who vouches for the servers: all three speak TLS."),
    ] = "",
) -> None:
    """Passwords for all users of the servers, as files for containers, Kubernetes and systemd.

    Repeated, it keeps what is there.
    """
    from cli.run.secret_files import write_secrets

    try:
        names = write_secrets(folder, {"nats": nats, "mongodb": mongodb, "redis": redis}, authorities)
    except OSError as error:
        raise CliError(f"cannot write to {folder}: {error.strerror}", "name another folder") from error
    typer.echo(f"{len(names)} secrets in {folder}")


def provision(
    replicas: Annotated[int, typer.Option(min=1, max=5, help="Copies of each stream in a cluster of NATS.")] = 1,
    users: Annotated[
        Path | None, typer.Option(help="passwords.json of `secrets`: makes MongoDB's users.", show_default=False)
    ] = None,
    api_key: Annotated[
        Path | None, typer.Option(help="File with an API key to take in, for all accounts.", show_default=False)
    ] = None,
) -> None:
    """Make users, streams, indexes and configuration on servers of your own (NATS_URL, MONGODB_URL, or with _FILE).

    What is there stays; it may be repeated, and is to be at every upgrade.
    """
    from cli.run.provision import Wishes, run_provision

    run_provision(provision_settings(), Wishes(replicas, users, api_key), typer.echo)


def provision_settings() -> "ProvisionSettings":
    """Where the servers are. CliError for a variable that is wrong."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from cli.run.provision import ProvisionSettings
    from libs.runtime.settings import settings_error

    try:
        return ProvisionSettings()
    except (ValidationError, SettingsError) as error:
        raise CliError(settings_error(error), "correct or unset that variable") from error
