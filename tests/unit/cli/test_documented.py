"""Every `perpetua …` that README and the guides name is a command with options that there are."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.commands.root import app
from cli.project import ROOT

GUIDES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = re.compile(r"`(?:\.venv/bin/)?(perpetua [^`]+)`|^(?:\$ )?(?:\.venv/bin/)?(perpetua [^#\n]+)", re.MULTILINE)
LEFT_OUT = re.compile(r"[\[\]…]|\.\.\.$")
ROOT_COMMAND: Any = typer.main.get_command(app)


def named(guide: Path) -> list[str]:
    return [" ".join((quoted or bare).split()) for quoted, bare in NAMED.findall(guide.read_text())]


def unknown(command: str) -> str:
    """What of it there is not; empty where all is."""
    words = [LEFT_OUT.sub("", word) for word in _words(command.replace("|", " "))[1:]]
    place, path = ROOT_COMMAND, "perpetua"
    while words and hasattr(place, "commands") and not words[0].startswith("-"):
        word = words.pop(0)
        if word not in place.commands:
            return f"{path} has no {word!r}"
        place, path = place.commands[word], f"{path} {word}"
    known = {name for parameter in place.params for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h"}
    wrong = [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]
    return f"{path} has no {', '.join(wrong)}" if wrong else ""


def _words(command: str) -> list[str]:
    """As a shell parts them; what stands beside a command in prose may hold an apostrophe."""
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_commands_of_the_guides_are_there(guide: Path) -> None:
    wrong = {command: said for command in named(guide) if (said := unknown(command))}
    assert wrong == {}


def test_a_command_that_is_not_there_is_found() -> None:
    assert unknown("perpetua strat add FILE") == "perpetua has no 'strat'"
    assert unknown("perpetua demo --bogus") == "perpetua demo has no --bogus"
    assert unknown('perpetua control halted --all --why "…"') == ""
    assert len(named(ROOT / "README.md")) > 15
