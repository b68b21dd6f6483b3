"""Where the bus of a run is."""

import os
from pathlib import Path

from cli.errors import CliError
from cli.project import State
from cli.runfile import running


def nats_url(state_dir: Path) -> str:
    """Of the run in `state_dir`, else NATS_URL."""
    found = running(State(state_dir.resolve()).run_file)
    if found is not None and "nats" in found.servers:
        return str(found.servers["nats"]["url"])
    if url := os.environ.get("NATS_URL"):
        return url
    raise CliError("nothing runs here", "start it by `perpetua up`, or set NATS_URL")
