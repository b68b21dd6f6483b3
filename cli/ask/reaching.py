"""Where a gateway is, and with which key it is asked."""

from pathlib import Path
from urllib.parse import urlsplit

from cli.errors import CliError
from cli.files import read_token
from cli.project import StateFolder
from cli.runfile import running


def gateway_url(given: str | None, state_dir: Path) -> str:
    """The one that is named, else that of the run here. CliError where there is none."""
    if given is not None:
        parts = urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise CliError("--url is no address of a gateway", "write it as http://127.0.0.1:8000")
        return given
    run = running(StateFolder(state_dir.resolve()).run_file)
    if run is None or not run.gateway_url:
        raise CliError("nothing runs here", "start it by `perpetua up`, or name a gateway by --url")
    return run.gateway_url


def key_for(file: Path | None, state_dir: Path) -> str:
    """The key of the file that is named, else the run's own. CliError where it holds none."""
    token = read_token(file or StateFolder(state_dir.resolve()).api_key)
    if token is None or not (token.isascii() and token.isprintable()):
        said = f"{file} holds no key" if file else "there is no key of a run here"
        raise CliError(said, "make one by `perpetua key create assistant` and write it into a file, for --key-file")
    return token
