"""Routes and the command: `up` starts a notifier for them, which tells a test, and is killed without harm."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.project import CONFIG
from cli.runfile import WorkerEntry, load
from tests.e2e.test_demo import SYNTHETIC, below, clean_env
from tests.fakes.receiver import SECRET, receiver
from tests.pace import PATIENCE_S

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]
ROUTES = "routes: {{desk: {{webhook: '{url}', key: '${{DESK_KEY}}', kinds: [alerts, position.closed]}}}}"


async def perpetua(env: Mapping[str, str], *arguments: str, code: int = 0) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**clean_env(), "COLUMNS": "160", **env},
    )
    said, _ = await process.communicate()
    assert process.returncode == code, said.decode()
    return said.decode()


def notifier_of(state: Path) -> WorkerEntry:
    run = load(state / "run.json")
    assert run is not None
    (found,) = [one for one in run.workers if one.instance == "notifier-1"]
    return found


async def test_a_run_with_routes_tells_tests_also_after_a_kill(tmp_path: Path) -> None:
    state, folder = tmp_path / "state", tmp_path / "config"
    folder.mkdir()
    (folder / "models.yaml").write_bytes((CONFIG / "models.yaml").read_bytes())
    options = ("--state-dir", str(state))
    async with receiver() as desk:
        (folder / "notifications.yaml").write_text(ROUTES.format(url=desk.url))
        env = {"PERPETUA_CONFIG_DIR": str(folder)}
        refused = await perpetua(env, "up", *options, *SYNTHETIC, code=1)
        assert "notices: desk: nothing is said for ${DESK_KEY}" in refused
        env |= {"PERPETUA_NOTIFY_DESK_KEY": SECRET}
        try:
            await perpetua(env, "up", *options, *SYNTHETIC)
            assert "desk: sent" in await perpetua(env, "notify", "test", *options)
            pid = notifier_of(state).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(PATIENCE_S * 2):
                while notifier_of(state).restarts == 0 or notifier_of(state).state != "ready":  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert "desk: sent" in await perpetua(env, "notify", "test", "desk", *options)
            assert "notifier-1" in await perpetua(env, "status", *options)
            trials = [got for got in desk.got if got.data["kind"] == "test"]
            assert len({got.event_id for got in trials}) == 2
            assert all(got.is_signed() for got in desk.got)
            assert SECRET not in "".join(log.read_text() for log in (state / "logs").glob("*.log"))
        finally:
            await perpetua(env, "down", "--wipe", "--yes", *options)
    assert below(state) == []
