"""What manifests of Kubernetes have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

from tools.deploy.facts import UID

Manifest = dict[str, Any]
NAMESPACE = "perpetua"
NAME, PART, KIND = "app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/component"
WORKER, STORE, TASK = "worker", "store", "task"
MOUNT = "/run/secrets/perpetua"


def labels(name: str, kind: str) -> dict[str, str]:
    return {NAME: name, PART: "perpetua", KIND: kind}


def selector(name: str) -> Manifest:
    return {"matchLabels": {NAME: name, PART: "perpetua"}}


def manifest(api: str, kind: str, name: str, *, of: Mapping[str, str] | None = None, **rest: Any) -> Manifest:
    metadata = {"name": name, **({"labels": dict(of)} if of else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def account(name: str, kind: str) -> Manifest:
    """It exists so that rights of the cluster can be given to one worker alone; none are, and no token is mounted."""
    return manifest("v1", "ServiceAccount", name, of=labels(name, kind), automountServiceAccountToken=False)


def container_security() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def pod_security(user: int = UID, group: int = UID) -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": group,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod(name: str, kind: str, *, security: Manifest | None = None, **rest: Any) -> Manifest:
    """Trap: with service links Kubernetes sets variables like PERPETUA_GATEWAY_PORT to addresses of services."""
    return {
        "metadata": {"labels": labels(name, kind)},
        "spec": {
            "serviceAccountName": name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": security or pod_security(),
            **rest,
        },
    }


def room(cpu: int, memory: int, most_cpu: int, most_memory: int) -> Manifest:
    return {
        "requests": {"cpu": f"{cpu}m", "memory": f"{memory}Mi"},
        "limits": {"cpu": f"{most_cpu}m", "memory": f"{most_memory}Mi"},
    }


def variables(values: Mapping[str, str]) -> list[Manifest]:
    return [{"name": name, "value": value} for name, value in values.items()]


def secret_volume(name: str) -> Manifest:
    return {"name": "secrets", "secret": {"secretName": f"perpetua-{name}", "defaultMode": 0o440}}


def mounts(*extra: tuple[str, str], secrets: bool = True) -> list[Manifest]:
    """`extra` are names of volumes and where they are seen; nothing but /tmp and those can be written."""
    read = [{"name": "secrets", "mountPath": MOUNT, "readOnly": True}] if secrets else []
    return [*read, {"name": "tmp", "mountPath": "/tmp"}, *({"name": n, "mountPath": path} for n, path in extra)]  # noqa: S108


def tmp_volume() -> Manifest:
    return {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}


def spread(name: str) -> list[Manifest]:
    """Over machines and zones where there are several; one machine is enough."""
    return [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector(name)}
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def probe(path: str, port: str | int, *, every: int, failures: int, timeout: int = 4) -> Manifest:
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": every,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }


def asks(command: Sequence[str], *, every: int, failures: int) -> Manifest:
    return {
        "exec": {"command": list(command)},
        "periodSeconds": every,
        "failureThreshold": failures,
        "timeoutSeconds": 5,
    }
