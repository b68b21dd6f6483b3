"""`perpetua account`, `strategy` and `config` against a server."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.ask import models
from cli.commands.root import app
from cli.connection import connected
from cli.errors import CliError
from cli.project import CONFIG
from cli.run.seed import read_all, seed
from libs.configuration.kv_store import KvConfigStore
from libs.runtime.bus import Bus
from libs.runtime.provision import provision_nats
from libs.schemas.account import Account, TradingStanding
from libs.schemas.models import MODELS_KEY
from libs.schemas.subjects import KV_STATE
from tests import builders
from tests.fakes.typos import typos

pytestmark = pytest.mark.integration


@pytest.fixture
async def bus(nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    """A bus with the configuration of the project on it."""
    monkeypatch.setenv("NATS_URL", nats_url)
    async with connected(nats_url) as made:
        await provision_nats(made.js)
        await seed(made, read_all(("BTCUSDT", "ETHUSDT")), tmp_path / "seeded.json")
        yield made


async def said(tmp_path: Path, *words: str) -> str:
    """What a command prints; CliError where it refuses."""

    def run() -> str:
        result = CliRunner().invoke(app, [*words, "--state-dir", str(tmp_path)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return await asyncio.to_thread(run)


async def test_an_account_is_shown_changed_paused_and_its_history_told(bus: Bus, tmp_path: Path) -> None:
    assert "scalping" in await said(tmp_path, "account", "list")
    fields = ["leverage=4", "symbols=BTCUSDT", "budgets.usd_per_day=2", "model=none"]
    made = await said(tmp_path, "account", "set", "scalping", *fields, "--why", "less risk")
    assert "version 2, active, strategy scalping" in made
    assert "the account's leverage of 4 applies, not 10" in made
    shown = json.loads(await said(tmp_path, "account", "show", "scalping", "--json"))
    assert (shown["leverage"], shown["symbols"], shown["budgets"]["usd_per_day"]) == ("4", ["BTCUSDT"], 2.0)
    assert "paused" in await said(tmp_path, "account", "pause", "scalping", "--why", "a look")
    assert "active" in await said(tmp_path, "account", "resume", "scalping", "--why", "all well")
    lines = (await said(tmp_path, "config", "history", "account.scalping")).splitlines()
    assert len(lines) == 4
    assert "all well" in lines[0]
    assert '[status "paused" -> "active"]' in lines[0]
    assert "perpetua seed" in lines[3]
    assert "account.scalping" in await said(tmp_path, "config", "list", "account.")


async def test_the_list_says_who_halted_an_account_and_what_leads_back(bus: Bus, tmp_path: Path) -> None:
    at = datetime(2025, 5, 15, 3, 12, tzinfo=UTC)
    standing = TradingStanding(since=at, by="ann (command)", why="holidays", ends="person")
    halted = builders.state("scalping", trading_state="halted", standing=standing)
    await bus.kv_put(KV_STATE.name, "scalping", halted)
    lines = (await said(tmp_path, "account", "list")).splitlines()
    (first,) = [n for n, line in enumerate(lines) if line.startswith("scalping")]
    assert lines[first].split()[:2] == ["scalping", "halted"]
    assert "active" not in lines[first]
    assert "halted since 05-15 03:12 UTC by ann (command): holidays" in lines[first + 1]
    assert f'`perpetua control active --account scalping --why "…" --state-dir {tmp_path}`' in lines[first + 1]
    rows = {row["account_id"]: row for row in json.loads(await said(tmp_path, "account", "list", "--json"))}
    assert (rows["scalping"]["status"], rows["scalping"]["trading_state"]) == ("active", "halted")
    assert rows["scalping"]["standing"]["why"] == "holidays"
    assert rows["aggressive"]["standing"] is None


async def test_an_account_is_made_from_fields_and_gets_another_strategy(bus: Bus, tmp_path: Path) -> None:
    fields = ["initial_balance=5000", "strategy_id=swing", "symbols=BTCUSDT", "leverage=3", "max_position_size=1000"]
    assert "mine: version 1" in await said(tmp_path, "account", "add", "mine", *fields, "--why", "to try swing")
    assert "strategy dca" in await said(tmp_path, "strategy", "assign", "mine", "dca", "--why", "calmer")
    users = {
        one["strategy_id"]: one["accounts"] for one in json.loads(await said(tmp_path, "strategy", "list", "--json"))
    }
    assert (users["dca"], users["swing"]) == (["mine"], [])


async def test_a_strategy_is_added_from_a_file_changed_previewed_and_deleted(bus: Bus, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    content = yaml.safe_load((CONFIG / "strategies" / "swing.yaml").read_text()) | {"strategy_id": "own"}
    file.write_text(yaml.safe_dump(content))
    assert "own: version 1" in await said(tmp_path, "strategy", "add", str(file), "--why", "my own")
    file.write_text(yaml.safe_dump(content | {"max_positions": 2}))
    assert "own: version 2" in await said(tmp_path, "strategy", "add", str(file), "--replace", "--why", "fewer")
    first = yaml.safe_load(await said(tmp_path, "strategy", "show", "own", "--version", "1"))
    assert (first["max_positions"], first["version"], first["changed_because"]) == (3, 1, "my own")
    assert "open positions change nothing" in await said(
        tmp_path, "strategy", "preview", "own", "--account", "scalping"
    )
    history = json.loads(await said(tmp_path, "strategy", "history", "own", "--json"))
    assert [(one["why"], one["value"]["version"]) for one in history] == [("fewer", 2), ("my own", 1)]
    assert "deleted" in await said(tmp_path, "strategy", "delete", "own", "--why", "done")
    assert yaml.safe_load(await said(tmp_path, "strategy", "show", "own", "--version", "2"))["max_positions"] == 2


REFUSALS = {
    "an unknown account": (["account", "show", "nobody"], "there is no account.nobody"),
    "an unknown strategy": (["strategy", "assign", "scalping", "none", "--why", "x"], "there is no strategy.none"),
    "a strategy in use": (["strategy", "delete", "scalping", "--why", "x"], "is the strategy of scalping"),
    "no reason": (["account", "pause", "scalping", "--why", " "], "a change needs a reason"),
    "a field without a value": (["account", "set", "scalping", "leverage", "--why", "x"], "'leverage' sets nothing"),
    "a field that is not there": (
        ["account", "set", "scalping", "lever=3", "--why", "x"],
        "lever: there is no such field; did you mean leverage?",
    ),
    "an old version": (
        ["account", "set", "scalping", "leverage=3", "--why", "x", "--at", "9"],
        "is at version 1, not 9",
    ),
    "a history of nothing": (["config", "history", "account.nobody"], "nothing was ever stored"),
    "two strategies to preview": (["strategy", "preview"], "name one strategy"),
}


async def test_refusals_say_what_is_wrong_in_one_line(bus: Bus, tmp_path: Path) -> None:
    for case, (words, expected) in REFUSALS.items():
        with pytest.raises(CliError) as raised:
            await said(tmp_path, *words)
        assert expected in raised.value.message, case
        assert raised.value.hint, case


async def test_a_typing_mistake_in_a_field_of_an_account_is_told_with_what_was_meant(bus: Bus, tmp_path: Path) -> None:
    for typo in [typo for typo in typos(Account) if typo.nested]:
        with pytest.raises(CliError) as raised:
            await said(tmp_path, "account", "set", "scalping", f"{typo.path}=1", "--why", "x")
        assert raised.value.message == typo.said
    for field, expected in {
        "budgts.usd_per_day": "budgts: there is no such field; did you mean budgets?",
        "leverage.most": "leverage: Decimal input should be an integer, float, string or Decimal object",
    }.items():
        with pytest.raises(CliError, match=re.escape(expected)):
            await said(tmp_path, "account", "set", "scalping", f"{field}=1", "--why", "x")


async def test_who_switches_models_after_somebody_else_is_told(bus: Bus, nats_url: str, tmp_path: Path) -> None:
    first, second = await models.looked(nats_url, tmp_path), await models.looked(nats_url, tmp_path)
    chain = models.chain_of(first, ["builtin/trend"])
    await models.switch(nats_url, first, chain, {"by": "anna", "why": "calm"})
    with pytest.raises(CliError, match=r"anna switched to builtin/trend \(calm\) at this moment"):
        await models.switch(nats_url, second, chain, {"by": "bert", "why": "brave"})
    history = await KvConfigStore(bus).history(MODELS_KEY)
    assert [(write.by.who, json.loads(write.value or b"")["version"]) for write in history] == [("anna", 1)]
    assert (await models.unswitch(nats_url, {"by": "bert", "why": "back"}, tmp_path)).by == "chain of models.yaml"
    assert (await models.looked(nats_url, tmp_path)).seen.switched is None
    again = await models.looked(nats_url, tmp_path)
    await models.switch(nats_url, again, chain, {"by": "bert", "why": "brave"})
    switched = await models.switched(nats_url)
    assert switched is not None and (switched.by, switched.version) == ("bert", 2)
