"""Where the servers of a run are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.errors import CliError
from cli.project import StateFolder
from cli.runfile import running


def nats_url(state_dir: Path) -> str:
    """Of the run in `state_dir`, else NATS_URL."""
    return _url(state_dir, "nats", "NATS_URL")


def mongodb_url(state_dir: Path) -> str:
    """Of the run in `state_dir`, else MONGODB_URL."""
    return _url(state_dir, "mongodb", "MONGODB_URL")


def _url(state_dir: Path, server: str, variable: str) -> str:
    found = running(StateFolder(state_dir.resolve()).run_file)
    if found is not None and server in found.servers:
        return str(found.servers[server]["url"])
    if url := os.environ.get(variable):
        return url
    raise CliError("nothing runs here", f"start it by `perpetua up`, or set {variable}")


@contextmanager
def servers_of(state_dir: Path) -> Iterator[tuple[str, str]]:
    """Where NATS and MongoDB are: of the run here, or of the environment; else the folder's own servers, which run for
    as long as this lasts. CliError where there is nothing of a run."""
    folder = StateFolder(state_dir.resolve())
    named = all(os.environ.get(variable) for variable in ("NATS_URL", "MONGODB_URL"))
    if named or running(folder.run_file) is not None or not folder.servers.is_file():
        yield nats_url(state_dir), mongodb_url(state_dir)
        return
    from cli.embedded.servers import Servers  # it loads the clients of all databases

    with Servers(folder.folder, use_urls=False) as servers:
        started = servers.start()
        yield started["nats"].url, started["mongodb"].url
