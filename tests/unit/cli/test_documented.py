"""Every `perpetua …` that README and the guides name is a command with options that there are."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.commands.root import app
from cli.project import CONFIG, ROOT
from tests.e2e.trading.documented import ALONE, ELSEWHERE, told, way_of

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


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_commands_of_the_guides_are_run_by_a_test(guide: Path) -> None:
    """`tests/e2e/trading/documented.py` says how: a new one wants a row there."""
    ran = {command: way_of(LEFT_OUT.sub("", command.removeprefix("perpetua "))) for command in named(guide)}
    assert [command for command, way in ran.items() if way is None] == []


def test_who_runs_the_others_names_them() -> None:
    for command, file in ELSEWHERE.items():
        assert command.split()[0] in (ROOT / file).read_text(), command
    assert way_of("strategy add own.yaml --why x") == "strategy add"
    assert (way_of("decisions"), way_of("decisions ID"), way_of("strat add")) == ("decisions", "decisions ID", None)


async def test_what_needs_no_system_is_run(tmp_path: Path) -> None:
    """One after the other in one folder."""
    own, ticks = tmp_path / "own.yaml", tmp_path / "ticks"
    own.write_text((CONFIG / "strategies" / "swing.yaml").read_text().replace("strategy_id: swing", "strategy_id: own"))
    ticks.write_text('{"symbol": "BTCUSDT", "price": 103250.5, "size": 0.02}\n')
    places = {name: tmp_path / name for name in ("state", "file", "out", "secrets")}
    for way in ALONE.values():
        await told(way, {**places, "own": own, "ticks": ticks})
    assert len(list((tmp_path / "out").glob("*.json"))) > 20


def test_a_command_that_is_not_there_is_found() -> None:
    assert unknown("perpetua strat add FILE") == "perpetua has no 'strat'"
    assert unknown("perpetua demo --bogus") == "perpetua demo has no --bogus"
    assert unknown('perpetua control halted --all --why "…"') == ""
    assert len(named(ROOT / "README.md")) > 15
