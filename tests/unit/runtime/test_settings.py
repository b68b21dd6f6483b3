"""Settings: one line that says which variable is wrong, and exit code 6."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field

from libs.runtime import exits
from libs.runtime.settings import MongoSettings, RuntimeSettings, inbox_of
from libs.runtime.worker import Worker, run


class Settings(RuntimeSettings, MongoSettings):
    symbols: tuple[str, ...] = Field(default=("BTCUSDT",), validation_alias="ASSETS")
    limits: dict[str, int] = Field(default_factory=dict)


def create_app() -> Worker:
    return Worker("test", Settings())


BAD = {
    "a port": ({"PERPETUA_OPS_PORT": "many"}, "PERPETUA_OPS_PORT: Input should be a valid integer"),
    "a port beyond the last": ({"PERPETUA_OPS_PORT": "70000"}, "PERPETUA_OPS_PORT: Input should be less than"),
    "a level": ({"PERPETUA_LOG_LEVEL": "LOUD"}, "PERPETUA_LOG_LEVEL: String should match pattern"),
    "a grace": ({"PERPETUA_GRACEFUL_TIMEOUT": "0"}, "PERPETUA_GRACEFUL_TIMEOUT: Input should be greater than 0"),
    "no address": ({"NATS_URL": "localhost:4222"}, "NATS_URL: Value error, must be like nats://127.0.0.1:4222"),
    "an address without a port number": ({"NATS_URL": "nats://host:port"}, "NATS_URL: Value error"),
    "a database": ({"PERPETUA_MONGODB_DB": "a b"}, "PERPETUA_MONGODB_DB: String should match pattern"),
    "no JSON where JSON is": ({"PERPETUA_LIMITS": "many"}, "limits"),
    "two at once": (
        {"PERPETUA_OPS_PORT": "x", "PERPETUA_LOG_LEVEL": "x"},
        "PERPETUA_OPS_PORT: Input should be a valid integer, unable to parse string as an integer; PERPETUA_LOG_LEVEL",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_setting_is_said_in_one_line(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables, said = BAD[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        run(create_app)
    assert ended.value.code == exits.BAD_SETTINGS
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("a setting is not valid: ")
    assert said in line


@pytest.mark.parametrize("url", ["nats://127.0.0.1:4222", "tls://nats.example:4222", "nats://user:p@host"])
def test_addresses_of_nats_are_taken(url: str) -> None:
    assert RuntimeSettings(nats_url=url).nats_url == url


@pytest.mark.parametrize(
    ("url", "wanted", "prefix"),
    [
        ("nats://127.0.0.1:4222", "", "_INBOX"),
        ("nats://ledger:secret@127.0.0.1:4222", "", "_INBOX_ledger"),
        ("nats://ledger:secret@one:4222,nats://ledger:secret@two:4222", "", "_INBOX_ledger"),
        ("nats://ledger:secret@127.0.0.1:4222", "_INBOX", "_INBOX"),
    ],
)
def test_replies_begin_with_the_user_unless_a_setting_says_otherwise(url: str, wanted: str, prefix: str) -> None:
    assert inbox_of(url, wanted) == prefix


def test_a_fault_in_the_making_of_an_app_is_not_called_a_setting() -> None:
    def fail() -> Worker:
        raise LookupError("a fault of ours")

    maker: Callable[[], Worker] = fail
    with pytest.raises(LookupError):
        run(maker)


def test_a_secret_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("nats://feed:secret@nats:4222\n")
    monkeypatch.setenv("NATS_URL_FILE", str(tmp_path / "url"))
    assert Settings().nats_url == "nats://feed:secret@nats:4222"
    monkeypatch.setenv("NATS_URL", "nats://other:4222")
    assert Settings().nats_url == "nats://other:4222"
    assert Settings(nats_url="nats://given:4222").nats_url == "nats://given:4222"


def test_an_empty_file_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("\n")
    monkeypatch.setenv("MONGODB_URL_FILE", str(tmp_path / "url"))
    assert Settings().mongodb_url == MongoSettings.model_fields["mongodb_url"].default


def test_a_file_is_read_for_secrets_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "level").write_text("DEBUG")
    monkeypatch.setenv("PERPETUA_LOG_LEVEL_FILE", str(tmp_path / "level"))
    assert Settings().log_level == "INFO"


def test_a_file_that_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NATS_URL_FILE", str(tmp_path / "none"))
    with pytest.raises(SystemExit) as ended:
        run(create_app)
    assert ended.value.code == exits.BAD_SETTINGS
    assert capsys.readouterr().err == "a setting is not valid: NATS_URL_FILE cannot be read: FileNotFoundError\n"
