"""Every typing mistake in a file, by the command that reads it: one line with its path and what was meant."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from cli.commands.root import app
from cli.errors import CliError
from cli.run.seed import read_accounts, read_strategies, read_venue
from libs.schemas.account import Account
from libs.schemas.experiment import Experiment
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from services.decider.domain.catalogue import CatalogueFile
from tests.fakes.typos import EXAMPLES, Typo, typos

OF_COMMANDS = (Account, TradingStrategy, Experiment, CatalogueFile)


def written(file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content))
    return file


def refusal(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert isinstance(result.exception, CliError), result.output
    assert "\n" not in result.exception.message
    return result.exception.message


@pytest.mark.parametrize("kind", OF_COMMANDS, ids=lambda kind: kind.__name__)
def test_by_command(kind: type[BaseModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server runs: nothing is asked of one before the file is read whole."""
    file = tmp_path / "models.yaml"
    words = {
        Account: ("account", "add", "--file", str(file), "--why", "x"),
        TradingStrategy: ("strategy", "add", str(file), "--why", "x"),
        Experiment: ("experiment", "start", str(file), "--why", "x"),
        CatalogueFile: ("models", "list"),
    }[kind]
    monkeypatch.setenv("PERPETUA_CONFIG_DIR", str(tmp_path))
    if kind is Experiment:
        monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")
    else:
        monkeypatch.delenv("NATS_URL", raising=False)
    for typo in [typo for typo in typos(kind) if typo.nested]:
        written(file, typo.body)
        where, mistake = typo.said.split(": ", 1)
        message = refusal(*words, "--state-dir", str(tmp_path))
        assert where in message and message.endswith(mistake), message


@pytest.mark.parametrize("typo", typos(Account), ids=str)
def test_in_the_accounts_of_the_project(typo: Typo, tmp_path: Path) -> None:
    file = written(tmp_path / "accounts.yaml", {"accounts": [EXAMPLES[Account], typo.body]})
    with pytest.raises(CliError) as raised:
        read_accounts(tmp_path)
    assert raised.value.message == f"{file}: acc1: {typo.said}"


def test_an_account_whose_id_is_mistyped_is_called_by_its_place(tmp_path: Path) -> None:
    body = dict(EXAMPLES[Account])
    file = written(tmp_path / "accounts.yaml", {"accounts": [{"acount_id": body.pop("account_id")} | body]})
    with pytest.raises(CliError) as raised:
        read_accounts(tmp_path)
    assert raised.value.message == f"{file}: accounts.0.acount_id: there is no such field; did you mean account_id?"


@pytest.mark.parametrize("typo", typos(VenueSymbol), ids=str)
def test_in_the_filters_of_a_venue(typo: Typo, tmp_path: Path) -> None:
    rows = [EXAMPLES[VenueSymbol], typo.body]
    file = written(tmp_path / "venues" / "paper.yaml", {"venue": "paper", "symbols": rows})
    with pytest.raises(CliError) as raised:
        read_venue(tmp_path)
    assert raised.value.message == f"{file}: symbols.1.{typo.said}"


@pytest.mark.parametrize("typo", typos(TradingStrategy), ids=str)
def test_in_the_strategies_of_the_project(typo: Typo, tmp_path: Path) -> None:
    file = written(tmp_path / "strategies" / "own.yaml", typo.body)
    with pytest.raises(CliError) as raised:
        read_strategies(tmp_path)
    assert raised.value.message == f"{file}: {typo.said}"


BESIDE: dict[str, tuple[dict[str, Any], str]] = {
    "a field for all rows": ({"vnue": "other"}, "vnue: there is no such field; did you mean venue?"),
    "the row to be copied": (
        {"default": {"tiers": [{"flor": "0"}]}},
        "default.tiers.0.flor: there is no such field; did you mean floor?",
    ),
}


@pytest.mark.parametrize("case", BESIDE)
def test_beside_the_rows_of_a_file(case: str, tmp_path: Path) -> None:
    more, said = BESIDE[case]
    file = written(tmp_path / "venues" / "paper.yaml", more | {"symbols": [EXAMPLES[VenueSymbol]]})
    with pytest.raises(CliError) as raised:
        read_venue(tmp_path)
    assert raised.value.message == f"{file}: {said}"


def test_the_file_of_a_prompt_belongs_to_an_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")
    arms = [{"name": "a"}, {"name": "b", "promt_file": "b.j2"}]
    file = written(tmp_path / "own.yaml", EXAMPLES[Experiment] | {"arms": arms})
    message = refusal("experiment", "start", str(file), "--why", "x", "--state-dir", str(tmp_path))
    assert message == f"{file}: arms.1.promt_file: there is no such field; did you mean prompt_file?"
