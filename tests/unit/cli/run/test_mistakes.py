"""What users get wrong before a start, and the line that each of them gets: true, and within five seconds."""

import gzip
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.commands.root import app
from cli.errors import CliError
from cli.run.preflight import of_settings
from cli.run.seed import read_accounts
from tests.pace import Watch

LIMIT_S = 5.0
MINUTE_MS, FIRST_MS = 60_000, 1_746_403_200_000  # 2025-05-05
HEADER = "open_time,open,high,low,close,volume"
UsageError: type[Exception] = typer.BadParameter.__mro__[2]


def rows(count: int = 3, step: int = MINUTE_MS) -> list[str]:
    return [f"{FIRST_MS + n * step},100,101,99,100,5" for n in range(count)]


def without(line: int, row: str) -> list[str]:
    """Good rows but for one. Lines count from 1, the header is the first."""
    made = rows(5)
    made[line - 2] = row
    return made


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("PERPETUA_", "LLM_", "OPENROUTER_", "EXECUTOR_")) or name in ("NATS_URL", "ASSETS"):
            monkeypatch.delenv(name)


def told(*words: str) -> tuple[str, str]:
    """Message and hint that a command ends with, as `cli.main` prints them, and nothing else is printed before."""
    with Watch() as watch:
        result = CliRunner().invoke(app, list(words), standalone_mode=False)
    assert watch.quiet_s < LIMIT_S
    error = result.exception
    if isinstance(error, CliError):
        assert result.stdout in ("", "nothing was running\n")
        return error.message, error.hint
    assert isinstance(error, UsageError), result.output + repr(error)
    return " ".join(error.format_message().split()), ""  # type: ignore[attr-defined]


OPTIONS = [
    ("a symbol that the venue lacks", ("demo", "--symbols", "DOGEUSDT"), "DOGEUSDT is not a symbol of the paper venue"),
    ("no speed", ("demo", "--speed", "0"), "a speed of 0 is not possible"),
    ("a speed beyond all", ("demo", "--speed", "1e9"), "a speed of 1e+09 is not possible"),
    ("a word for a speed", ("demo", "--speed", "fast"), "'fast' is not a valid float"),
    ("no time", ("demo", "--feed", "synthetic", "--for", "0"), "--for 0 is no time"),
    ("a folder that is not there for --json", ("demo", "--json", "/nowhere/out.json"), "/nowhere is not a folder"),
    ("a feed that is none", ("demo", "--feed", "yahoo"), "'yahoo' is not a feed"),
    ("data for a made-up market", ("demo", "--feed", "synthetic", "--data", "."), "no <symbol>-1m.csv.gz"),
    ("a folder of candles that is not there", ("demo", "--data", "/nowhere"), "--data: /nowhere is not a folder"),
    ("a worker that is none", ("up", "--replicas", "decidr=2"), "'decidr' is not a worker"),
    ("no copies", ("up", "--replicas", "decider=0"), "'decider=0' is not understood"),
    ("copies without a number", ("up", "--replicas", "decider"), "'decider' is not understood"),
    ("two feeds", ("up", "--replicas", "feed=2"), "one feed is enough here"),
    ("a worker twice", ("up", "--replicas", "ledger=2,ledger=3"), "ledger is named twice"),
    ("an option that is none", ("demo", "--bogus"), "No such option"),
    ("a command that is none", ("strat",), "No such command"),
    ("status of nothing", ("status",), "nothing runs here"),
    ("dead letters of nothing", ("dead", "list"), "nothing runs here"),
    ("the market of nothing", ("market",), "nothing runs here"),
    ("trades of nothing", ("trades",), "nothing runs here"),
    ("decisions of nothing", ("decisions", "dec-1"), "nothing runs here"),
    ("a log of nobody", ("logs", "nobody"), "there is no log of 'nobody'"),
    ("accounts of nothing", ("account", "list"), "nothing runs here"),
    ("a control of nothing", ("control", "halted", "--all", "--why", "x"), "nothing runs here"),
    ("a control of nobody", ("control", "halted", "--why", "x"), "say what to control"),
    ("a control of one and all", ("control", "halted", "--all", "--account", "a", "--why", "x"), "say what to control"),
    ("a control that is none", ("control", "stop", "--all", "--why", "x"), "'stop' is not one of"),
    ("a control without a reason", ("control", "halted", "--all"), "Missing option '--why'"),
    ("all as an account", ("control", "halted", "--account", "all", "--why", "x"), "all is no account"),
    ("an account without an id", ("account", "add", "--why", "x"), "an account needs an id"),
    ("data removed without a yes", ("down", "--wipe"), "--wipe removes all data and asks before"),
    ("flatten where a control was meant", ("flatten", "--account", "a"), "flatten works at the venue itself"),
]


@pytest.mark.parametrize(("words", "wanted"), [case[1:] for case in OPTIONS], ids=[case[0] for case in OPTIONS])
def test_a_wrong_command_is_told_in_a_line(words: tuple[str, ...], wanted: str, tmp_path: Path) -> None:
    message, _ = told(*words, "--state-dir", str(tmp_path)) if words[0] not in ("strat", "flatten") else told(*words)
    assert wanted in message


VARIABLES = [
    ("a letter too few", "PERPETUA_SPED", "9", "PERPETUA_SPED is not a setting", "did you mean PERPETUA_SPEED?"),
    ("a name of nothing", "PERPETUA_ZEBRA", "1", "PERPETUA_ZEBRA is not a setting", ".env.example names all"),
    ("a level that is none", "PERPETUA_LOG_LEVEL", "LOUD", "PERPETUA_LOG_LEVEL", "correct or unset"),
    ("a port that is none", "PERPETUA_GATEWAY_PORT", "http", "PERPETUA_GATEWAY_PORT", "correct or unset"),
    ("no patience", "PERPETUA_START_PATIENCE", "0", "PERPETUA_START_PATIENCE", "correct or unset"),
    ("neither true nor false", "EXECUTOR_ALLOW_LIVE", "ja", "EXECUTOR_ALLOW_LIVE", "correct or unset"),
    ("an address without a scheme", "NATS_URL", "localhost:4222", "NATS_URL", "correct or unset"),
    ("symbols that are none", "ASSETS", "FOO", "FOO is not a symbol", "it has BTCUSDT"),
    ("a base URL without a scheme", "LLM_BASE_URL", "127.0.0.1:11434", "does not begin with http://", "like http://"),
    ("a model that the catalogue lacks", "LLM_MODEL", "gpt-5", "gpt-5 cannot decide", "the catalogue has no model"),
    ("a model without its key", "LLM_MODEL", "openrouter/openai/gpt-5", "has no key", "set OPENROUTER_API_KEY"),
    ("a model without its server", "LLM_MODEL", "openai-compatible/x", "has no key or address", "set LLM_BASE_URL"),
    ("a folder without models.yaml", "PERPETUA_CONFIG_DIR", "/nowhere", "cannot read /nowhere/models.yaml", ""),
    ("candles in no folder", "PERPETUA_DATA_DIR", "/nowhere", "PERPETUA_DATA_DIR: /nowhere is not a folder", ""),
]


@pytest.mark.parametrize(
    ("name", "value", "wanted", "hint"), [case[1:] for case in VARIABLES], ids=[case[0] for case in VARIABLES]
)
def test_a_wrong_variable_is_told_before_anything_starts(
    name: str, value: str, wanted: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    feed = () if name == "PERPETUA_DATA_DIR" else ("--feed", "synthetic")
    message, todo = told("demo", *feed, "--state-dir", str(tmp_path / "state"))
    assert wanted in message
    assert hint in todo
    assert not (tmp_path / "state").exists(), "something was started"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LLM_MODLE", "LLM_MODEL"),
        ("EXECUTOR_ALOW_LIVE", "EXECUTOR_ALLOW_LIVE"),
        ("NATSURL", "NATS_URL"),
        ("MONGODB_URI", "MONGODB_URL"),
        ("OPENROUTER_KEY", "OPENROUTER_API_KEY"),
        ("ASSET", "ASSETS"),
    ],
)
def test_a_variable_that_is_nearly_ours_is_named_and_stops_nothing(name: str, meant: str) -> None:
    found = [finding for finding in of_settings({name: "x"}) if finding.level != "ok"]
    assert [(finding.level, finding.todo) for finding in found] == [("warn", f"did you mean {meant}?")]
    assert name in found[0].found


def test_a_variable_that_somebody_else_reads_is_not_named() -> None:
    others = dict.fromkeys(("PATH", "HOME", "OPENAI_API_KEY", "DATABASE_URL", "LANG", "EDITOR", "LOG_LEVEL"), "x")
    assert {finding.level for finding in of_settings(others)} == {"ok"}


CANDLES = [
    ("other columns", ["when,what", "1,2"], ":1: expected the columns open_time,open,high,low,close,volume"),
    ("a word for a price", [HEADER, *without(4, f"{FIRST_MS + 2 * MINUTE_MS},100,101,99,n/a,5")], ":4: close 'n/a'"),
    ("a high below the low", [HEADER, *without(3, f"{FIRST_MS + MINUTE_MS},100,90,99,100,5")], ":3: low <= open"),
    ("a price of nothing", [HEADER, *without(3, f"{FIRST_MS + MINUTE_MS},0,0,0,0,5")], ":3: the low 0 is not above 0"),
    (
        "time that runs back",
        [HEADER, *without(4, f"{FIRST_MS},100,101,99,100,5")],
        ":4: open_time: expected the minute",
    ),
    ("a time within a minute", [HEADER, *without(3, f"{FIRST_MS + 90_500},100,101,99,100,5")], "2025-05-05 00:01:30"),
    ("bars of five minutes", [HEADER, *rows(5, 5 * MINUTE_MS)], "expected bars of one minute"),
    ("a column too few", [HEADER, *without(3, f"{FIRST_MS + MINUTE_MS},100,101,99,100")], ":3: expected 6 columns"),
    ("no candles", [HEADER], "no candles in it"),
    (
        "a time that is none",
        [HEADER, *without(2, "yesterday,100,101,99,100,5")],
        ":2: open_time 'yesterday' is no time",
    ),
]


@pytest.mark.parametrize(("lines", "wanted"), [case[1:] for case in CANDLES], ids=[case[0] for case in CANDLES])
def test_wrong_candles_are_told_with_file_and_line_before_anything_starts(
    lines: list[str], wanted: str, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with gzip.open(folder / "BTCUSDT-1m.csv.gz", "wt") as output:
        output.write("\n".join(lines) + "\n")
    message, hint = told(
        *("demo", "--data", str(folder), "--symbols", "BTCUSDT", "--state-dir", str(tmp_path / "state"))
    )
    assert f"{folder}/BTCUSDT-1m.csv.gz" in message
    assert wanted in message
    assert str(FIRST_MS)[:6] not in message, "a date, not an epoch"
    assert "docs/data.md" in hint
    assert not (tmp_path / "state").exists()


def test_a_file_that_is_no_gzip_a_symbol_without_a_file_and_plain_files_are_told_apart(tmp_path: Path) -> None:
    state = ("--state-dir", str(tmp_path / "state"))
    (tmp_path / "ETHUSDT-1m.csv.gz").write_text("no gzip")
    assert "cannot be read" in told("demo", "--data", str(tmp_path), "--symbols", "ETHUSDT", *state)[0]
    message, hint = told("demo", "--data", str(tmp_path), "--symbols", "BTCUSDT", *state)
    assert (f"no candles of BTCUSDT in {tmp_path}", "there are ETHUSDT") == (message, hint)
    (tmp_path / "BTCUSDT-1m.csv").write_text(f"{HEADER}\nx\n")
    assert "BTCUSDT-1m.csv:2" in told("demo", "--data", str(tmp_path), "--symbols", "BTCUSDT", *state)[0]


def test_a_state_folder_keeps_to_its_market_and_a_foreign_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "market").write_text("replay\n")
    message, hint = told("demo", "--feed", "synthetic", "--state-dir", str(tmp_path))
    assert "holds the replay, this would be the synthetic market 1" in message
    assert "--state-dir" in hint
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert "is no state folder of Perpetua" in told("down", "--wipe", "--yes", "--state-dir", str(tmp_path / "mine"))[0]


def test_all_mistakes_of_a_file_are_told_at_once_and_only_our_own_files_are_in_git(tmp_path: Path) -> None:
    file = tmp_path / "accounts.yaml"
    file.write_text("accounts:\n- {account_id: a b, levrage: 2}\n- {account_id: b, initial_balance: -1}\n")
    with pytest.raises(CliError) as raised:
        read_accounts(tmp_path)
    for wanted in ("levrage: there is no such field", "b: strategy_id: Field required", "b: leverage: Field"):
        assert wanted in raised.value.message
    assert raised.value.hint == "correct the file"
    file.write_text("accounts: [")
    with pytest.raises(CliError) as raised:
        read_accounts(tmp_path)
    assert "git" not in raised.value.hint
