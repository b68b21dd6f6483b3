"""Servers of somebody else: provisioned by the command, used by workers with secrets in files."""

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from cli.run.workers import NAMES
from tests.forms import sized
from tests.integration.deployment.servers import BIN, Deployment, plain_environment
from tests.integration.deployment.workers import is_healthy, running
from tests.pace import PATIENCE_S

WORKERS = sized(("validator", "executor"), NAMES)


def test_provisioning_may_be_repeated(deployed: Deployment) -> None:
    done = deployed.provision()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "users of MongoDB",
        "streams, durables and buckets",
        "collections and indexes",
        "configuration: 0 new",
        "API key",
    ]


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_runs_as_compose_runs_it(name: str, deployed: Deployment, tmp_path: Path) -> None:
    with running(name, deployed, tmp_path / "log") as port:
        assert is_healthy(name, port)
    assert not is_healthy(name, port)


def test_the_key_of_the_secrets_opens_the_gateway(deployed: Deployment, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running("gateway", deployed, log):
        ports = re.findall(r'"port": (\d+)', log.read_text())
        accounts = httpx.get(
            f"http://127.0.0.1:{ports[-1]}/api/v1/accounts",
            headers={"Authorization": f"Bearer {deployed.api_key}"},
            timeout=PATIENCE_S,
        )
    assert accounts.status_code == 200, accounts.text
    assert accounts.json()["items"]


def test_a_store_that_is_away_is_said_in_one_line(deployed: Deployment) -> None:
    env = plain_environment() | {"NATS_URL": "nats://admin:x@127.0.0.1:9", "MONGODB_URL": "mongodb://127.0.0.1:9"}
    done = subprocess.run([BIN / "perpetua", "provision"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert "admin:x" not in done.stderr
