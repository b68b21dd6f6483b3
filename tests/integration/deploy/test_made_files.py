"""Files that are made of the table of workers are what it makes, and a row more is a worker more everywhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.run.secret_files import write_secrets
from cli.run.workers import TABLE
from libs.schemas.subjects import DURABLES
from tools.deploy import facts, files, kubernetes, scaling
from tools.deploy.operations import operations
from tools.deploy.systemd import units
from tools.paths import ROOT

NATS = Path(sys.executable).parent / "nats-server"


def test_the_files_are_what_the_table_makes() -> None:
    assert files.check_deployment() == []


def test_every_worker_is_in_every_kind_of_file() -> None:
    made = files.made_files()
    for row in TABLE:
        assert f"\n  {row.name}:\n" in made["compose.yaml"]
        assert f"job_name: {row.name}\n" in made["deploy/prometheus/prometheus.yml"]
        assert f"-m {row.module}\n" in made[f"deploy/systemd/perpetua-{row.name}.service"]
        assert f"deploy/k8s/base/{row.name}.yaml" in made
        assert f"perpetua-{row.name}" in made["deploy/k8s/secrets.sh"]


def test_every_secret_that_is_asked_for_is_made(tmp_path: Path) -> None:
    made = set(write_secrets(tmp_path / "secrets"))
    asked = {file for names in kubernetes.secrets_by_owner().values() for file in names}
    assert asked <= made
    assert {file for row in TABLE for file in facts.secrets_of(row).values()} <= made


def test_each_worker_that_scales_is_measured_by_its_own_durables() -> None:
    known = {one.name for one in DURABLES}
    for row in TABLE:
        if scaling.by_lag(row):
            names = scaling.query(row).split('"')[1].split("|")
            assert set(names) == {name for name in known if name.startswith(row.durables)}


def test_a_worker_is_killed_after_it_has_given_up_by_itself() -> None:
    for row in TABLE:
        room = facts.room_of(row.name)
        assert room.period > room.grace + 5


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """What it runs is not installed here: that alone may be wrong with them."""
    for name, text in units().items():
        (tmp_path / name).write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", text))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(str(path) for path in tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system"},
    )
    assert [line for line in told.stderr.splitlines() if "perpetua" in line] == []


def test_nats_takes_the_configuration_of_a_cluster() -> None:
    folder = ROOT / "deploy" / "k8s" / "components" / "nats-cluster"
    passwords = {name: "p1" for name in (folder / "nats.conf").read_text().split() if name.startswith("NATS_PASSWORD_")}
    env = {
        **os.environ,
        **passwords,
        "NATS_PASSWORD_ROUTES": "p2",
        "NATS_SERVER_NAME": "nats-0",
        "NATS_STORE_DIR": "/data",
    }
    told = subprocess.run(
        [NATS, "-t", "--config", str(folder / "cluster.conf")], capture_output=True, text=True, env=env, check=False
    )
    assert (told.returncode, "is valid" in told.stderr) == (0, True), told.stderr


def test_the_page_for_operators_names_every_worker() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert list(operations(text)) == []
    assert list(operations(text.replace("| `ledger` |", "| ledger |").replace("perpetua-ledger", ""))) == [
        "docs/operations.md: the table of sizes does not name the workers of cli/run/workers.py, in order",
        "docs/operations.md does not enable perpetua-ledger",
    ]
    assert list(operations(text.replace("| 66 MiB | 256 |", "| 66 MiB | 255 |"))) == [
        "docs/operations.md: validator may take 256 MiB"
    ]
