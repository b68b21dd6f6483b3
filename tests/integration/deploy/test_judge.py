"""Our own rules of manifests: each is broken once, and says so."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.deploy.overlays import Manifest, built
from tools.deploy.judge import judge

Manifests = list[Manifest]


def _one(manifests: Manifests, kind: str, name: str) -> Manifest:
    return next(one for one in manifests if one["kind"] == kind and one["metadata"]["name"].startswith(name))


def _pod(manifests: Manifests, name: str, kind: str = "Deployment") -> Manifest:
    pod: Manifest = _one(manifests, kind, name)["spec"]["template"]["spec"]
    return pod


def _box(manifests: Manifests, name: str, kind: str = "Deployment") -> Manifest:
    box: Manifest = _pod(manifests, name, kind)["containers"][0]
    return box


def _egress(manifests: Manifests, name: str) -> list[Manifest]:
    rules: list[Manifest] = _one(manifests, "NetworkPolicy", name)["spec"]["egress"]
    return rules


def _ingress(manifests: Manifests, name: str) -> list[Manifest]:
    rules: list[Manifest] = _one(manifests, "NetworkPolicy", name)["spec"]["ingress"]
    return rules


def _drop(manifests: Manifests, kind: str, name: str) -> None:
    manifests.remove(_one(manifests, kind, name))


def _everywhere(manifests: Manifests) -> None:
    _egress(manifests, "validator").append({"ports": [{"protocol": "TCP", "port": 443}]})


ANYWHERE: dict[str, Any] = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"protocol": "TCP", "port": 443}]}
MONGODB = {"matchLabels": {"app.kubernetes.io/name": "mongodb", "app.kubernetes.io/part-of": "perpetua"}}
TO_MONGODB: dict[str, Any] = {"to": [{"podSelector": MONGODB}], "ports": [{"protocol": "TCP", "port": 27017}]}

BREAKS: dict[str, tuple[Callable[[Manifests], object], str]] = {
    "root": (lambda m: _pod(m, "feed")["securityContext"].update(runAsUser=0), "Deployment feed: runs as root"),
    "root by the container": (
        lambda m: _box(m, "feed")["securityContext"].update(runAsUser=0),
        "Deployment feed: feed runs as root",
    ),
    "no seccomp profile": (
        lambda m: _pod(m, "feed")["securityContext"].pop("seccompProfile"),
        "Deployment feed: has no seccomp profile",
    ),
    "a root that can be written": (
        lambda m: _box(m, "nats", "StatefulSet")["securityContext"].update(readOnlyRootFilesystem=False),
        "StatefulSet nats: nats can write to its root",
    ),
    "gaining rights": (
        lambda m: _box(m, "ledger")["securityContext"].pop("allowPrivilegeEscalation"),
        "Deployment ledger: ledger can gain rights",
    ),
    "capabilities": (
        lambda m: _box(m, "ledger")["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
        "Deployment ledger: ledger has capabilities",
    ),
    "no limits": (lambda m: _box(m, "decider")["resources"].pop("limits"), "Deployment decider: decider has no limits"),
    "no limit of memory": (
        lambda m: _box(m, "decider")["resources"]["limits"].pop("memory"),
        "Deployment decider: decider has no limits",
    ),
    "no probe": (
        lambda m: _box(m, "context").pop("livenessProbe"),
        "Deployment context: context has no livenessProbe",
    ),
    "latest": (
        lambda m: _box(m, "redis", "StatefulSet").update(image="docker.io/redis:latest"),
        "StatefulSet redis: redis has an image without a version",
    ),
    "no version at all": (
        lambda m: _box(m, "redis", "StatefulSet").update(image="registry:5000/redis"),
        "StatefulSet redis: redis has an image without a version",
    ),
    "a token": (
        lambda m: _pod(m, "gateway").update(automountServiceAccountToken=True),
        "Deployment gateway: mounts a token",
    ),
    "variables of services": (
        lambda m: _pod(m, "gateway").pop("enableServiceLinks"),
        "Deployment gateway: gets variables of services",
    ),
    "the machine's network": (lambda m: _pod(m, "feed").update(hostNetwork=True), "Deployment feed: uses hostNetwork"),
    "a path of the machine": (
        lambda m: _pod(m, "feed")["volumes"].append({"name": "etc", "hostPath": {"path": "/etc"}}),
        "Deployment feed: mounts a path of its machine: etc",
    ),
    "killed too early": (
        lambda m: _pod(m, "decider").update(terminationGracePeriodSeconds=30),
        "Deployment decider: is killed before",
    ),
    "a secret in the environment": (
        lambda m: _box(m, "decider")["env"].append({"name": "OPENROUTER_API_KEY", "value": "x"}),
        "Deployment decider: OPENROUTER_API_KEY may hold a secret",
    ),
    "a password in an address": (
        lambda m: _box(m, "decider")["env"].append({"name": "LLM_MODEL", "value": "http://me:word@host"}),
        "Deployment decider: LLM_MODEL may hold a secret",
    ),
    "a secret in a map": (
        lambda m: _one(m, "ConfigMap", "perpetua-decider")["data"].update(NATS_URL="nats://nats"),
        "ConfigMap perpetua-decider",
    ),
    "a secret as a manifest": (
        lambda m: m.append({"kind": "Secret", "metadata": {"name": "x"}, "data": {}}),
        "Secret x: a secret stands in a manifest",
    ),
    "a worker less": (lambda m: _drop(m, "Deployment", "ledger"), "no Deployment of ledger"),
    "no budget": (
        lambda m: _drop(m, "PodDisruptionBudget", "executor"),
        "Deployment executor has no PodDisruptionBudget",
    ),
    "nothing is denied": (lambda m: _drop(m, "NetworkPolicy", "nobody"), "no policy denies what no other allows"),
    "a way to a store that is not its own": (
        lambda m: _egress(m, "validator").append(TO_MONGODB),
        "validator may reach mongodb, which the table does not name",
    ),
    "a way out": (lambda m: _egress(m, "ledger").append(ANYWHERE), "ledger may reach 0.0.0.0/0 (443,)"),
    "a way into private networks": (
        lambda m: _egress(m, "decider").append(ANYWHERE),
        "decider may reach 0.0.0.0/0 (443,)",
    ),
    "a way to everywhere": (_everywhere, "validator may reach {}"),
    "no way to the bus": (lambda m: _egress(m, "feed").pop(0), "feed may not reach nats"),
    "a store that lets in everybody": (
        lambda m: _ingress(m, "mongodb")[0].pop("from"),
        "mongodb lets in validator, which the table does not name",
    ),
    "a store that lets in nobody": (lambda m: _ingress(m, "redis").clear(), "redis does not let in decider"),
    "an operations port for all": (
        lambda m: _ingress(m, "executor").append({"from": [{"podSelector": {}}]}),
        "executor shows its operations port to somebody",
    ),
}


@pytest.mark.parametrize("case", BREAKS)
def test_what_is_broken_by_hand_is_told(case: str) -> None:
    change, said = BREAKS[case]
    manifests = copy.deepcopy(list(built("dev")))
    change(manifests)
    lines = judge(manifests)
    assert [line for line in lines if line.startswith(said)], lines
