"""What a built overlay must hold, beyond the schemas of Kubernetes: one line for each thing that is wrong."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from cli.run.workers import TABLE
from tools.deploy.manifest import NAME
from tools.deploy.reach import check_reach, selects

Manifest = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
SECRET_NAME = re.compile(r"(PASSWORD|SECRET|TOKEN|_KEY|_URL)$")
SECRET_TEXT = re.compile(r"://[^/\s:@]+:[^/\s@$]+@|-----BEGIN|\bsk-[A-Za-z0-9]{8}|\bpk_[a-z0-9]{8}", re.IGNORECASE)
PUBLIC = frozenset({"LLM_BASE_URL"})  # an address without a password
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
AFTER_GRACE_S = 5  # what Worker.serve waits beyond the grace


def judge(manifests: Sequence[Manifest]) -> list[str]:
    pods = [(place(one), one["kind"], pod_of(one)) for one in manifests if one["kind"] in WORKLOADS]
    return [
        *(f"{where}: {wrong}" for where, kind, pod in pods for wrong in _pod(kind, pod)),
        *(f"{where}: {wrong}" for where, _, pod in pods for wrong in _grace(pod, manifests)),
        *_secrets(manifests),
        *_complete(manifests),
        *check_reach(manifests),
    ]


def place(one: Manifest) -> str:
    return f"{one['kind']} {one['metadata']['name']}"


def pod_of(workload: Manifest) -> Manifest:
    spec = workload["spec"]
    template: Manifest = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"]
    return template


def _pod(kind: str, pod: Manifest) -> Iterator[str]:
    spec = pod["spec"]
    security = spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
        yield "runs as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield "mounts a token of its service account"
    if spec.get("enableServiceLinks") is not False:
        yield "gets variables of services, which look like settings"
    for way in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(way):
            yield f"uses {way}"
    yield from (f"mounts a path of its machine: {v['name']}" for v in spec.get("volumes", ()) if "hostPath" in v)
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        yield from (f"{container['name']} {wrong}" for wrong in _container(kind, container))


def _container(kind: str, container: Manifest) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("readOnlyRootFilesystem") is not True:
        yield "can write to its root"
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield "can gain rights"
    if security.get("runAsUser") == 0 or security.get("runAsNonRoot") is False:
        yield "runs as root"
    if security.get("capabilities", {}) != {"drop": ["ALL"]}:
        yield "has capabilities"
    for bound in ("requests", "limits"):
        if set(container.get("resources", {}).get(bound, {})) < {"cpu", "memory"}:
            yield f"has no {bound}"
    if kind not in ("Job", "CronJob"):
        yield from (f"has no {probe}" for probe in PROBES if probe not in container)
    _, colon, tag = container["image"].rpartition("/")[2].partition(":")
    if not colon or tag in ("", "latest"):
        yield f"has an image without a version: {container['image']}"


def _grace(pod: Manifest, manifests: Sequence[Manifest]) -> Iterator[str]:
    """A worker is not killed before it has given up by itself."""
    names = {
        source["configMapRef"]["name"]
        for container in pod["spec"]["containers"]
        for source in container.get("envFrom", ())
        if "configMapRef" in source
    }
    for one in manifests:
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] in names:
            grace = one.get("data", {}).get("PERPETUA_GRACEFUL_TIMEOUT")
            if grace and pod["spec"].get("terminationGracePeriodSeconds", 30) <= float(grace) + AFTER_GRACE_S:
                yield "is killed before its work in flight may have ended"


def _secrets(manifests: Sequence[Manifest]) -> Iterator[str]:
    for one in manifests:
        if one["kind"] == "Secret":
            yield f"{place(one)}: a secret stands in a manifest"
        for name, value in _values(one):
            if (SECRET_NAME.search(name) and value and name not in PUBLIC) or SECRET_TEXT.search(value):
                yield f"{place(one)}: {name} may hold a secret"


def _values(one: Manifest) -> Iterator[tuple[str, str]]:
    """Everything that a pod is given in plain text."""
    if one["kind"] == "ConfigMap":
        yield from one.get("data", {}).items()
    if one["kind"] in WORKLOADS:
        for container in (*pod_of(one)["spec"].get("initContainers", ()), *pod_of(one)["spec"]["containers"]):
            yield from ((env["name"], env.get("value", "")) for env in container.get("env", ()))
            yield from (("its command", word) for key in ("command", "args") for word in container.get(key, ()))


def _complete(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Each worker of the table is there, each Deployment has a budget."""
    deployments = {one["metadata"]["name"]: one for one in manifests if one["kind"] == "Deployment"}
    yield from (f"no Deployment of {row.name}" for row in TABLE if row.name not in deployments)
    budgets = [one["spec"]["selector"] for one in manifests if one["kind"] == "PodDisruptionBudget"]
    for name, one in deployments.items():
        labels = pod_of(one)["metadata"]["labels"]
        if labels.get(NAME) != name:
            yield f"Deployment {name}: its pods have another name"
        if not any(selects(selector, labels) for selector in budgets):
            yield f"Deployment {name} has no PodDisruptionBudget"
