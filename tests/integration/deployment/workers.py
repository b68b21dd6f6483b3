"""Workers as compose.yaml runs them, without containers: its environment, its secrets, its question of health."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import yaml

from cli.embedded.ports import pick
from cli.run.workers import WORKERS
from tests.integration.deployment.servers import Deployment, plain_environment
from tests.pace import PATIENCE_S
from tools.deploy import facts
from tools.deploy.compose_judge import resolved
from tools.paths import ROOT


def compose_environment(name: str, deployment: Deployment, ops_port: int) -> dict[str, str]:
    """What the service has in compose.yaml, with ports and secrets where they are here."""
    services = yaml.safe_load(resolved((ROOT / "compose.yaml").read_text()))["services"]
    given = {key: str(value) for key, value in services[name]["environment"].items() if value is not None}
    moved = {key: value.replace(facts.SECRET_FOLDER, str(deployment.secrets)) for key, value in given.items()}
    return moved | {
        "PERPETUA_OPS_HOST": "127.0.0.1",
        "PERPETUA_OPS_PORT": str(ops_port),
        **({"PERPETUA_GATEWAY_PORT": "0", "PERPETUA_GATEWAY_HOST": "127.0.0.1"} if name == "gateway" else {}),
    }


def is_healthy(name: str, ops_port: int) -> bool:
    """By the very command that compose asks."""
    services = yaml.safe_load(resolved((ROOT / "compose.yaml").read_text()))["services"]
    _, _, *options = services[name]["healthcheck"]["test"]
    env = plain_environment() | {"PERPETUA_OPS_PORT": str(ops_port)}
    return subprocess.run([sys.executable, *options], env=env, stderr=subprocess.DEVNULL, check=False).returncode == 0


@contextlib.contextmanager
def running(name: str, deployment: Deployment, log: Path, **more: str) -> Iterator[int]:
    """The operations port of a worker that is healthy; ended by SIGTERM. `more` are other variables."""
    (port,) = pick(1)
    env = {**plain_environment(), "PYTHONPATH": str(ROOT), **compose_environment(name, deployment, port), **more}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKERS[name].module], env=env, stdout=output, stderr=output, cwd=os.sep
        )
    try:
        wait_until_ready(port, process, log)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 2 * PATIENCE_S
    while not is_ready(port):
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=PATIENCE_S).status_code == 200
    except httpx.TransportError:
        return False
