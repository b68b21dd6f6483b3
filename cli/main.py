"""Entry point of the `perpetua` command: every error is a line and a hint on stderr."""

import gc
import logging
import os
import re
import shlex
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NoReturn

import typer

gc.set_threshold(50_000, 20, 20)  # else a quarter of a short command's time goes into looking through its imports

from cli.commands.root import app  # noqa: E402
from cli.errors import CliError  # noqa: E402

# Of this program, complete (with no dots or places to fill in at its end), and without a folder of its own.
_COMMAND = re.compile(r"`(perpetua (?!schemas|flatten)(?:(?!--help|--state-dir)[^`])*)`")
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]


def _fail(message: str, hint: str, code: int) -> NoReturn:
    sys.stderr.write(f"error: {message}\nhint: {placed(hint, sys.argv)}\n")
    sys.exit(code)


def placed(hint: str, argv: Sequence[str]) -> str:
    """The commands of a hint for the state folder that this command was about."""
    given = next((argv[n + 1] for n, word in enumerate(argv[:-1]) if word == "--state-dir"), None)
    given = given or next((word.partition("=")[2] for word in argv if word.startswith("--state-dir=")), None)
    if given is None:
        return hint
    return _COMMAND.sub(lambda found: f"`{found[1]} --state-dir {shlex.quote(given)}`", hint)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A fault of ours: still one line for the person, with the traceback where it can be sent from."""
    if issubclass(kind, BrokenPipeError):  # `perpetua status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="perpetua-crash-", suffix=".log", delete=False) as output:
        traceback.print_exception(kind, error, trace, file=output)
    said = " ".join(str(error).split())[:300]
    sys.stderr.write(
        f"error: {kind.__name__}: {said}\nhint: this is a fault of Perpetua: report it with {output.name}\n"
    )


def _usage(error: Any) -> tuple[str, str]:
    """A wrong option in one line. Typer's own classes for it are private, their base is not."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "perpetua"
    return " ".join(error.format_message().split()), f"see `{command} --help`"


def run() -> NoReturn:
    """Entry point: every expected error is a line and a hint on stderr, never a traceback."""
    from cli.embedded.errors import ServerError

    sys.excepthook = _crashed
    for ours in ("libs", "services"):  # what they warn of is for the logs of workers; a command says its own errors
        logging.getLogger(ours).addHandler(logging.NullHandler())
    try:
        result: Any = typer.main.get_command(app)(standalone_mode=False)  # `app()` would set an excepthook of its own
    except (CliError, ServerError) as error:
        _fail(error.message, error.hint, getattr(error, "code", 1))
    except _UsageError as error:
        if not error.args or not str(error):  # without a command the help was printed already
            sys.exit(2)
        _fail(*_usage(error), 2)
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("ended before it was done\n")
        sys.exit(130)
    sys.exit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    run()
