"""Kinds of KEDA and of the Prometheus operator against their own schemas, which come as packages for Node."""

import copy
import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.integration.deploy.overlays import Manifest, built
from tests.wanted import want
from tools.paths import ROOT

FOLDER = ROOT / "deploy" / "kinds"
APIS = ("keda.sh/", "monitoring.coreos.com/")


@pytest.fixture(autouse=True)
def schemas() -> None:
    there = shutil.which("node") is not None and (FOLDER / "node_modules").is_dir()
    want("kinds", there, "needs Node and `npm ci --prefix deploy/kinds`")


def _refused(manifests: list[Manifest]) -> list[str]:
    done = subprocess.run(
        ["node", str(FOLDER / "validate.js")], input=json.dumps(manifests), capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def _foreign(overlay: str) -> list[dict[str, Any]]:
    return [one for one in built(overlay) if one["apiVersion"].startswith(APIS)]


@pytest.mark.parametrize("overlay", ["paper", "live"])
def test_their_schemas_take_them(overlay: str) -> None:
    manifests = _foreign(overlay)
    assert {one["kind"] for one in manifests} >= {"ScaledObject", "PodMonitor"}
    assert _refused(manifests) == []


def test_what_their_schemas_refuse_is_told() -> None:
    scaled = copy.deepcopy(next(one for one in _foreign("live") if one["kind"] == "ScaledObject"))
    monitor = copy.deepcopy(next(one for one in _foreign("live") if one["kind"] == "PodMonitor"))
    scaled["spec"]["minReplicaCount"] = "one"
    monitor["spec"]["podMetricsEndpoints"] = {}
    unknown = {**monitor, "kind": "PodMonitors"}
    assert [line.split(":")[0] for line in _refused([scaled, monitor, unknown])] == [
        f"ScaledObject {scaled['metadata']['name']}",
        f"PodMonitor {monitor['metadata']['name']}",
        f"PodMonitors {monitor['metadata']['name']}",
    ]
