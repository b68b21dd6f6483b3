"""What a command needs of the optional groups."""

from importlib.util import find_spec

from cli.errors import CliError


def whole(what: str) -> None:
    """CliError where the group `context` was not installed."""
    if find_spec("talib") is None:
        raise CliError(f"{what} needs what the context worker needs", "install the group `context` too")
