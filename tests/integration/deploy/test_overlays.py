"""deploy/k8s: every overlay is built by kustomize, held against Kubernetes' own schemas, and judged by our rules."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from cli.run.workers import TABLE
from services.notifier.application.routes_file import load
from tests.integration.deploy.overlays import OVERLAYS, built
from tools.deploy import facts
from tools.deploy.judge import judge
from tools.deploy.scaling import by_lag
from tools.paths import ROOT

VERSION = "1.37.0"
FOREIGN = ("keda.sh/", "monitoring.coreos.com/", "external-secrets.io/")  # kinds that Kubernetes itself does not have


def own(overlay: str) -> list[dict[str, Any]]:
    return [one for one in built(overlay) if not one["apiVersion"].startswith(FOREIGN)]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_knows_every_field(overlay: str) -> None:
    for one in own(overlay):
        kubernetes_validate.validate(one, VERSION, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_refused() -> None:
    deployment = next(one for one in own("dev") if one["kind"] == "Deployment")
    spec = {**deployment["spec"], "replikas": 1}
    with pytest.raises(kubernetes_validate.ValidationError, match="replikas"):
        kubernetes_validate.validate({**deployment, "spec": spec}, VERSION, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_wrong_with_it(overlay: str) -> None:
    assert judge(built(overlay)) == []


def _named(overlay: str, kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in built(overlay) if one["kind"] == kind}


def test_everything_lies_in_one_namespace() -> None:
    for overlay in OVERLAYS:
        spaces = {one["metadata"].get("namespace") for one in built(overlay) if one["kind"] != "Namespace"}
        assert spaces == {"perpetua"}


@pytest.mark.parametrize(("overlay", "least"), [("paper", 1), ("live", 2)])
def test_workers_scale_by_what_waits_for_them(overlay: str, least: int) -> None:
    scaled = _named(overlay, "ScaledObject")
    assert set(scaled) == {row.name for row in TABLE if by_lag(row)} >= {"context", "decider", "validator", "ledger"}
    assert {one["spec"]["minReplicaCount"] for one in scaled.values()} == {least}
    assert all("replicas" not in _named(overlay, "Deployment")[name]["spec"] for name in scaled)


def test_one_of_each_is_enough_to_try_it() -> None:
    assert not _named("dev", "ScaledObject")
    assert {one["spec"].get("replicas", 1) for one in _named("dev", "Deployment").values()} == {1}


def test_only_the_live_overlay_may_trade_live() -> None:
    allowed = {
        overlay: [
            name
            for name, one in _named(overlay, "ConfigMap").items()
            if one.get("data", {}).get("EXECUTOR_ALLOW_LIVE") == "true"
        ]
        for overlay in OVERLAYS
    }
    assert allowed["dev"] == allowed["paper"] == []
    assert [name.rpartition("-")[0] for name in allowed["live"]] == ["perpetua-executor"]


def test_keys_of_an_exchange_are_mounted_by_the_executor_alone() -> None:
    holders = [
        name
        for name, one in _named("live", "Deployment").items()
        if any(
            v.get("secret", {}).get("secretName") == "perpetua-exchange"
            for v in one["spec"]["template"]["spec"]["volumes"]
        )
    ]
    assert holders == ["executor"]


def test_live_keeps_three_copies_of_each_stream() -> None:
    assert _named("live", "StatefulSet")["nats"]["spec"]["replicas"] == 3
    (container,) = _named("live", "Job")["provision"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][:3] == ["provision", "--replicas", "3"]


def test_every_secret_that_is_mounted_in_live_comes_from_the_store_of_secrets() -> None:
    kinds = ("Deployment", "StatefulSet", "Job")
    volumes = [
        volume for one in built("live") if one["kind"] in kinds for volume in one["spec"]["template"]["spec"]["volumes"]
    ]
    mounted = {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
    made = {one["spec"]["target"]["name"] for one in built("live") if one["kind"] == "ExternalSecret"}
    assert mounted == made


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_notifier_alone_is_told_whom_to_tell_and_can_read_it(overlay: str, tmp_path: Path) -> None:
    told = {
        name: volume["configMap"]["name"]
        for name, one in _named(overlay, "Deployment").items()
        for volume in one["spec"]["template"]["spec"]["volumes"]
        if "configMap" in volume
    }
    assert list(told) == ["notifier"]
    (container,) = _named(overlay, "Deployment")["notifier"]["spec"]["template"]["spec"]["containers"]
    (mount,) = [one for one in container["volumeMounts"] if "subPath" in one]
    assert mount["mountPath"] == facts.ROUTES_SEEN
    (tmp_path / mount["subPath"]).write_text(_named(overlay, "ConfigMap")[told["notifier"]]["data"][mount["subPath"]])
    assert load(tmp_path) == load(ROOT / "config")
