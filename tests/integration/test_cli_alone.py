"""The command where nothing runs: what it says of the environment, of folders and of servers that do not answer."""

from pathlib import Path

import pytest

from tests.integration.test_cli import perpetua

pytestmark = pytest.mark.integration


def test_doctor_finds_typing_mistakes_and_never_shows_a_key(tmp_path: Path) -> None:
    told = perpetua(
        *("doctor", "--state-dir", str(tmp_path)),
        PERPETUA_SPEDD="9",
        PERPETUA_LOG_LEVEL="LOUD",
        OPENROUTER_API_KEY="sk-or-v1-abcdef",
    )
    assert told.returncode == 1
    assert "PERPETUA_SPEDD is not a setting: did you mean PERPETUA_SPEED?" in told.stdout
    assert "PERPETUA_LOG_LEVEL" in told.stdout
    assert "OPENROUTER_API_KEY" in told.stdout
    assert "abcdef" not in told.stdout + told.stderr
    assert told.stderr == ""


def test_doctor_is_content_here(tmp_path: Path) -> None:
    told = perpetua("doctor", "--state-dir", str(tmp_path))
    assert told.returncode == 0, told.stdout
    assert {line.split()[0] for line in told.stdout.splitlines()} <= {"ok", "warn"}


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (("demo", "--for", "1"), {"NATS_URL": "nats://127.0.0.1:1"}, "NATS_URL (nats://127.0.0.1:1) does not answer"),
        (("demo", "--symbols", "DOGEUSDT"), {}, "DOGEUSDT is not a symbol"),
        (("demo", "--for", "0"), {}, "--for 0 is no time"),
        (("demo", "--json", "/nowhere/out.json"), {}, "--json: /nowhere is not a folder"),
        (("demo",), {"PERPETUA_SPED": "1"}, "PERPETUA_SPED is not a setting"),
        (("up", "--replicas", "decidr=2"), {}, "'decidr' is not a worker"),
        (("status",), {}, "nothing runs here"),
        (("dead", "list"), {}, "nothing runs here"),
        (("dead", "list"), {"NATS_URL": "nats://127.0.0.1:1"}, "does not answer"),
        (("down", "--wipe"), {}, "--wipe removes all data"),
        (("demo", "--bogus"), {}, "No such option"),
    ],
)
def test_an_error_is_a_line_and_a_hint(
    arguments: tuple[str, ...], env: dict[str, str], said: str, tmp_path: Path
) -> None:
    told = perpetua(*arguments, "--state-dir", str(tmp_path / "state"), **env)
    assert told.returncode != 0
    assert told.stdout == ""
    lines = told.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"], told.stderr
    assert said in lines[0]


def test_a_foreign_folder_is_not_wiped(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    told = perpetua("down", "--wipe", "--yes", "--state-dir", str(tmp_path))
    assert told.returncode == 1
    assert "no state folder of Perpetua" in told.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_a_state_folder_keeps_to_its_market(tmp_path: Path) -> None:
    (tmp_path / "market").write_text("replay\n")
    told = perpetua("demo", "--feed", "synthetic", "--state-dir", str(tmp_path))
    assert told.returncode == 1
    assert "holds the replay, this would be the synthetic market 1" in told.stderr
