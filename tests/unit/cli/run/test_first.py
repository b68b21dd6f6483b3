"""`perpetua init`: what it asks, what it refuses, and that a start reads what it wrote."""

import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.commands.root import app
from cli.errors import CliError
from cli.own_variables import read, take_over
from cli.project import CONFIG, StateFolder
from cli.run.plan import make_plan
from cli.run.preflight import of_own
from cli.run.seed import read_accounts, read_all
from services.decider.application.models_file import load
from tests.unit.cli.run.test_key_mistakes import model_server

KEY = "sk-abcdefghijklmnopqrst"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command takes over from the folder stays in the environment of its own process."""
    monkeypatch.setattr(
        os, "environ", {k: v for k, v in os.environ.items() if not k.startswith(("LLM_", "OPENROUTER"))}
    )


def init(state: Path, *words: str, typed: str = "") -> str:
    result = CliRunner().invoke(app, ["init", "--state-dir", str(state), *words], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_without_a_terminal_it_takes_options_and_what_is_usual(tmp_path: Path) -> None:
    output = init(tmp_path / "own", "--symbols", "ethusdt, BTC/USDT", "--balance", "2_500", "--strategy", "swing")
    state = StateFolder(tmp_path / "own")
    (account,) = read_accounts(state.config)
    assert (account.account_id, account.symbols, account.strategy_id) == ("mine", ("ETHUSDT", "BTCUSDT"), "swing")
    assert (str(account.initial_balance), str(account.max_position_size), account.mode) == ("2500", "2500", "paper")
    assert account.leverage == 5  # the usual one, which swing allows
    assert load(state.config).chain == ("builtin/trend",)
    assert not state.variables.exists()
    assert f"next: `perpetua demo --state-dir {state.folder}`" in output.replace("\n", " ")


def test_each_line_of_the_account_is_explained(tmp_path: Path) -> None:
    output = init(tmp_path)
    written = (tmp_path / "config" / "accounts.yaml").read_text()
    fields = [line for line in written.splitlines() if line.startswith("  ")]
    assert len(fields) == len(yaml.safe_load(written)["accounts"][0]) == 10
    assert all("  # " in line and line in output for line in fields)


def test_a_run_with_that_folder_plays_its_symbols_and_seeds_its_account_alone(tmp_path: Path) -> None:
    init(tmp_path, "--symbols", "SOLUSDT")
    plan = make_plan(state=tmp_path, env={}, feed="synthetic")
    assert plan.symbols == ("SOLUSDT",)
    assert [key for key in read_all(plan.symbols, plan.state.config) if key.startswith("account.")] == ["account.mine"]
    assert StateFolder(tmp_path / "other").config == CONFIG


@pytest.mark.parametrize("strategy", [path.stem for path in sorted((CONFIG / "strategies").glob("*.yaml"))])
def test_every_strategy_makes_an_account_that_is_valid(strategy: str, tmp_path: Path) -> None:
    init(tmp_path, "--strategy", strategy)
    (account,) = read_accounts(tmp_path / "config")
    (chosen,) = [one for key, one in read_all(account.symbols, tmp_path / "config").items() if key.endswith(strategy)]
    assert account.leverage <= chosen.risk_parameters.max_leverage  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--symbols", "DOGE"), "DOGE is not a symbol of the paper venue"),
        (("--symbols", ","), "no symbol is named"),
        (("--balance", "much"), "a balance of 'much' is not possible"),
        (("--balance", "-5"), "a balance of '-5' is not possible"),
        (("--balance", "nan"), "a balance of 'nan' is not possible"),
        (("--strategy", "skalping"), "'skalping' is not a strategy"),
        (("--model", "gpt-5"), "gpt-5"),
        (("--model", "builtin/trend,openai-compatible/x"), "one model is wanted"),
        (("--model", "openai-compatible/x", "--base-url", "localhost"), "the address does not begin with http://"),
        (("--model", "openai-compatible/x", "--key-file", "/nowhere"), "--key-file: /nowhere cannot be read"),
        (("--key-file", "/nowhere"), "builtin/trend needs no key and no address"),
        (("--model", "openrouter/openai/gpt-5"), "openrouter is asked for openrouter/openai/gpt-5 and has no key"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(CliError) as refused:
        init(tmp_path / "own", *words)
    assert said in refused.value.message
    assert refused.value.hint
    assert not (tmp_path / "own").exists()


def test_a_key_is_tried_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    with model_server(200, '{"data": []}') as url:
        words = ("--model", "openai-compatible/own", "--base-url", url, "--key-file", "-")
        output = init(tmp_path, *words, typed=f"{KEY}\n")
    state = StateFolder(tmp_path)
    assert "openai-compatible takes the key" in output
    assert KEY not in output
    assert read(state.variables).values == {"LLM_BASE_URL": url, "LLM_API_KEY": KEY}
    assert state.variables.stat().st_mode & 0o777 == 0o600
    assert load(state.config).chain == ("openai-compatible/own",)


def test_a_key_that_is_refused_is_not_written(tmp_path: Path) -> None:
    with model_server(401) as url, pytest.raises(CliError, match="nothing was written"):
        init(tmp_path, "--model", "openai-compatible/own", "--base-url", url, "--key-file", "-", typed=KEY)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_replaced_only_when_it_is_said_and_other_variables_stay(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / "environment").write_text("# mine\nPERPETUA_LOG_LEVEL=DEBUG\nLLM_API_KEY=old\n")
    with pytest.raises(CliError, match="is there already"):
        init(tmp_path)
    with model_server(200, '{"data": []}') as url:
        init(tmp_path, "--replace", "--model", "openai-compatible/own", "--base-url", url, "--key-file", "-", typed=KEY)
    expected = {"PERPETUA_LOG_LEVEL": "DEBUG", "LLM_BASE_URL": url, "LLM_API_KEY": KEY}
    assert read(tmp_path / "environment").values == expected
    assert (tmp_path / "environment").read_text().startswith("# mine\n")


def test_the_environment_comes_before_the_folder(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / "environment").write_text("LLM_MODEL=a\nLLM_API_KEY=b\n OPENROUTER_API_KEY = c\n")
    env = {"LLM_MODEL": "mine", "LLM_API_KEY_FILE": "/run/key"}
    take_over(StateFolder(tmp_path), env)
    assert env["LLM_MODEL"] == "mine"
    assert "LLM_API_KEY" not in env
    assert env["PERPETUA_CONFIG_DIR"] == str(tmp_path / "config")


def test_a_line_that_is_none_is_told_by_its_number_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "environment").write_text(f"LLM_MODEL=a\n{KEY}\n")
    wrong, known = of_own(StateFolder(tmp_path))
    assert (wrong.level, known.level) == ("fail", "ok")
    assert "line 2 is not NAME=value" in wrong.found
    assert KEY not in wrong.line() + known.line()
