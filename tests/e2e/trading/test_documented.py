"""Each command that README and the guides name, run against a system that trades."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from cli.project import CONFIG
from tests.e2e.running import Running
from tests.e2e.trading.asked import Traded
from tests.e2e.trading.documented import ACCOUNT, RUNNING, told

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="package"),
]
EXPERIMENT = f"""
name: brave
mode: shadow
accounts: [{ACCOUNT}]
arms:
  - {{name: rule, model: builtin/trend}}
"""


async def test_every_command_that_looks_or_acts_does_what_the_pages_say(
    run: Running, traded: Traded, tmp_path: Path
) -> None:
    """In the order of the table: what is assigned was added before, what is stopped was started."""
    own, brave = tmp_path / "own.yaml", tmp_path / "brave.yaml"
    own.write_text((CONFIG / "strategies" / "swing.yaml").read_text().replace("strategy_id: swing", "strategy_id: own"))
    brave.write_text(EXPERIMENT)
    fill = {"own": own, "brave": brave, "decision": traded.result["decision_id"]}
    for way in RUNNING.values():
        await told(way, fill, "--state-dir", str(run.state))


async def test_a_log_is_followed(run: Running) -> None:
    command = [sys.executable, "-m", "cli.main", "logs", "-f", "ledger", "--json", "--state-dir", str(run.state)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    line = await process.stdout.readline()
    process.terminate()
    await process.wait()
    assert "ledger" in json.dumps(json.loads(line))
