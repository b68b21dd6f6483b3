"""The workers and provisioning in Kubernetes: deploy/k8s/base."""

from pathlib import PurePosixPath

from cli.run.secret_files import API_KEY, PASSWORDS
from cli.run.workers import TABLE, WorkerKind
from tools.deploy import facts
from tools.deploy.manifest import (
    MOUNT,
    NAMESPACE,
    TASK,
    WORKER,
    Manifest,
    account,
    container_security,
    labels,
    manifest,
    mounts,
    pod,
    probe,
    room,
    secret_volume,
    selector,
    spread,
    tmp_volume,
    variables,
)

PROVISION = "provision"
ROUTES_CONFIG = "perpetua-notifier-routes"
ROUTES_FILE = PurePosixPath(facts.ROUTES).name
ROUTES_VOLUME: Manifest = {"name": "routes", "configMap": {"name": ROUTES_CONFIG}}
# The file alone: the others of its folder stay as they are in the image.
ROUTES_MOUNT: Manifest = {
    "name": "routes",
    "mountPath": facts.ROUTES_SEEN,
    "subPath": ROUTES_FILE,
    "readOnly": True,
}


def namespace() -> Manifest:
    """The cluster itself refuses pods that would run as root or ask for rights."""
    strict = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return manifest("v1", "Namespace", NAMESPACE, of=strict)


def worker(row: WorkerKind) -> list[Manifest]:
    name = row.name
    doors = {port: number for port, number in facts.ports_of(row).items() if port != "ops"}
    service = manifest(
        "v1",
        "Service",
        name,
        of=labels(name, WORKER),
        spec={
            "selector": selector(name)["matchLabels"],
            "ports": [{"name": port, "port": number, "targetPort": port} for port, number in doors.items()],
        },
    )
    return [account(name, WORKER), _deployment(row), *([service] if doors else []), _budget(name)]


def _budget(name: str) -> Manifest:
    """Not `minAvailable`: of a single copy that would keep its machine from ever being emptied."""
    return manifest(
        "policy/v1",
        "PodDisruptionBudget",
        name,
        of=labels(name, WORKER),
        spec={"maxUnavailable": 1, "selector": selector(name)},
    )


def _deployment(row: WorkerKind) -> Manifest:
    """Without `replicas`: overlays say how many, or KEDA does."""
    return manifest(
        "apps/v1",
        "Deployment",
        row.name,
        of=labels(row.name, WORKER),
        spec={
            "selector": selector(row.name),
            "revisionHistoryLimit": 5,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": pod(
                row.name,
                WORKER,
                terminationGracePeriodSeconds=facts.room_of(row.name).period,
                topologySpreadConstraints=spread(row.name),
                containers=[_container(row)],
                volumes=[secret_volume(row.name), tmp_volume(), *([ROUTES_VOLUME] if facts.has_routes(row) else [])],
            ),
        },
    )


def _container(row: WorkerKind) -> Manifest:
    """`/live` answers as soon as the process does: a worker that waits for NATS is alive and not ready."""
    size = facts.room_of(row.name)
    ports = facts.ports_of(row)
    return {
        "name": row.name,
        "image": facts.image_of(row.name),
        "ports": [{"name": name, "containerPort": number} for name, number in ports.items()],
        "envFrom": [{"configMapRef": {"name": f"perpetua-{row.name}"}}],
        "env": [
            {"name": "PERPETUA_INSTANCE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            *variables(facts.file_variables(facts.secrets_of(row), MOUNT)),
        ],
        "startupProbe": probe("/live", "ops", every=2, failures=30),
        "readinessProbe": probe("/ready", "ops", every=5, failures=2),
        "livenessProbe": probe("/live", "ops", every=10, failures=3),
        "resources": room(size.cpu, size.memory, size.most_cpu, size.most_memory),
        "securityContext": container_security(),
        "volumeMounts": [*mounts(), *([ROUTES_MOUNT] if facts.has_routes(row) else [])],
    }


def provision() -> list[Manifest]:
    """A job cannot be changed: it is gone ten minutes after its end, and delete it before an upgrade within them."""
    secrets = facts.admin_secrets()
    container = {
        "name": PROVISION,
        "image": facts.image_of(facts.COMMAND),
        "args": [PROVISION, "--users", f"{MOUNT}/{PASSWORDS}", "--api-key", f"{MOUNT}/{API_KEY}"],
        "envFrom": [{"configMapRef": {"name": "perpetua-provision"}}],
        "env": variables(facts.file_variables(secrets, MOUNT)),
        "resources": room(100, 128, 1000, 256),
        "securityContext": container_security(),
        "volumeMounts": mounts(),
    }
    template = pod(
        PROVISION,
        TASK,
        restartPolicy="OnFailure",
        containers=[container],
        volumes=[secret_volume(PROVISION), tmp_volume()],
    )
    job = manifest(
        "batch/v1",
        "Job",
        PROVISION,
        of=labels(PROVISION, TASK),
        spec={
            "backoffLimit": 20,
            "activeDeadlineSeconds": 900,
            "ttlSecondsAfterFinished": 600,
            "template": template,
        },
    )
    return [account(PROVISION, TASK), job]


def secrets_by_owner() -> dict[str, tuple[str, ...]]:
    """Files of `perpetua secrets` by the Secret of Kubernetes that holds them."""
    return {
        **{f"perpetua-{row.name}": tuple(facts.secrets_of(row).values()) for row in TABLE},
        f"perpetua-{PROVISION}": (*facts.admin_secrets().values(), PASSWORDS, API_KEY),
        "perpetua-nats": ("nats_passwords",),
        "perpetua-mongodb": ("mongodb_key", "mongodb_password"),
        "perpetua-redis": ("redis_acl",),
    }
