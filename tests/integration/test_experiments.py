"""Experiments by command: stored with their author, seen by every worker, refused where they cannot work."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.commands.root import app
from cli.connection import connected
from cli.errors import CliError
from cli.run.seed import read_all, seed
from libs.configuration.kv_store import KvConfigStore
from libs.configuration.mirror import ConfigMirror
from libs.runtime.bus import Bus
from libs.runtime.provision import provision_nats
from services.context.domain.arms import assign
from services.ledger.domain.configuration import ConfigWrite, event_of
from tests.fakes.decider_contexts import asset, context

pytestmark = pytest.mark.integration
BODY: dict[str, Any] = {
    "name": "brave",
    "mode": "live",
    "arms": [{"name": "a", "model": "builtin/trend"}, {"name": "b", "prompt_file": "b.j2"}],
}


@pytest.fixture
async def bus(nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    monkeypatch.setenv("NATS_URL", nats_url)
    async with connected(nats_url) as made:
        await provision_nats(made.js)
        await seed(made, read_all(("BTCUSDT", "ETHUSDT")), tmp_path / "seeded.json")
        yield made


async def said(tmp_path: Path, *words: str) -> str:
    def run() -> str:
        result = CliRunner().invoke(app, ["experiment", *words, "--state-dir", str(tmp_path)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return await asyncio.to_thread(run)


def written(tmp_path: Path, template: str = "Trade {{ symbols | join(', ') }}.", **more: Any) -> str:
    (tmp_path / "b.j2").write_text(template)
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(BODY | more))
    return str(file)


async def test_an_experiment_is_started_seen_by_all_and_stopped_with_its_author_in_the_audit(
    bus: Bus, tmp_path: Path
) -> None:
    assert "no experiments" in await said(tmp_path, "list")
    line = await said(tmp_path, "start", written(tmp_path), "--why", "is it worth it?")
    assert "brave" in line and "running" in line and "arms a, b" in line
    workers = [ConfigMirror(bus) for _ in range(2)]
    for worker in workers:
        await worker.start()
    where = context({"BTCUSDT": asset("BTCUSDT")})
    first, second = (assign(worker.experiments.values(), where) for worker in workers)
    assert first == second and first.live is not None
    with pytest.raises(CliError, match="is running: stop it first"):
        await said(tmp_path, "start", written(tmp_path), "--why", "again")
    assert "stopped" in await said(tmp_path, "stop", "brave", "--why", "seen enough")
    async with asyncio.timeout(60):
        while workers[0].experiments["brave"].status == "running":  # noqa: ASYNC110 - a mirror follows the bucket
            await asyncio.sleep(0.02)
    assert assign(workers[0].experiments.values(), where).live is None
    assert "running" in await said(tmp_path, "start", written(tmp_path, share=10), "--why", "once more")
    for worker in workers:
        await worker.stop()
    made = await KvConfigStore(bus).history("experiment.brave")
    assert [one.by.why for one in made] == ["is it worth it?", "seen enough", "once more"]
    values = [(one.value or b"").decode() for one in made]
    subject, event = event_of(ConfigWrite(key="experiment.brave", value=values[1]), values[0], 2, "me", "w", made[1].at)  # type: ignore[misc]
    assert subject == "config.changed.experiment.brave"
    assert event.what == "config.changed" and '"status": "stopped"' in (event.after or "")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"accounts": ["nobody"]}, "there is no account nobody"),
        ({"arms": [{"name": "a", "model": "no/such"}, {"name": "b"}]}, "the catalogue has no model"),
        ({"arms": [{"name": "a"}]}, "needs two arms"),
        ({"share": 0}, "share"),
        ({"weight": 1}, "weight: there is no such field; fields: "),
        ({"template": "{{ nonsense }}"}, "arm b with strategy"),
        ({"arms": [{"name": "a"}, {"name": "b", "prompt_file": "gone.j2"}]}, "cannot be read"),
        ({"arms": "none"}, "is no experiment"),
    ],
)
async def test_what_cannot_work_is_refused_before_it_holds(
    bus: Bus, tmp_path: Path, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(CliError, match=why):
        await said(tmp_path, "start", written(tmp_path, **more), "--why", "x")
    assert "no experiments" in await said(tmp_path, "list")


async def test_two_live_experiments_about_one_account_are_refused(bus: Bus, tmp_path: Path) -> None:
    await said(tmp_path, "start", written(tmp_path, accounts=["scalping"]), "--why", "x")
    with pytest.raises(CliError, match="the live experiment brave is about some of the same accounts"):
        await said(tmp_path, "start", written(tmp_path, name="other"), "--why", "x")
    await said(tmp_path, "start", written(tmp_path, name="swings", accounts=["aggressive"]), "--why", "x")
    shadow: dict[str, Any] = {
        "name": "beside",
        "mode": "shadow",
        "arms": [{"name": "s", "params": {"temperature": 0.1}}],
    }
    await said(tmp_path, "start", written(tmp_path, **shadow), "--why", "x")
    assert (await said(tmp_path, "list")).count("running") == 3
