"""Where the bus of a run is."""

import os
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
