"""Servers beside the workers: one of each for trying and for paper (components/stores), NATS in three copies for live
(components/nats-cluster)."""

from cli.embedded.bus_users import password_variable
from cli.run.secret_files import ROUTES, SET_KEY
from tools.deploy.facts import EXPORTER_PORT, MONITOR_PORT, SERVERS, STORE_PORTS, UID
from tools.deploy.manifest import (
    MOUNT,
    STORE,
    Manifest,
    account,
    asks,
    container_security,
    labels,
    manifest,
    mounts,
    pod,
    pod_security,
    probe,
    room,
    secret_volume,
    selector,
    spread,
    tmp_volume,
    variables,
)
from tools.deploy.text import comment

ROUTE_PORT = 6222
COPIES = 3
DATA = "/data"
DISK = "80Gi"  # of nats-server; more than it may write


def cluster_file() -> str:
    """nats-server's configuration for a cluster: the one for all, and the routes between its servers."""
    password = f"${password_variable(ROUTES)}"
    peers = "\n".join(f"    nats://{ROUTES}:{password}@nats-{n}.nats:{ROUTE_PORT}" for n in range(COPIES))
    return (
        comment()
        + f"""
include "nats.conf"

cluster {{
  name: perpetua
  listen: "0.0.0.0:{ROUTE_PORT}"
  authorization {{ user: {ROUTES}, password: {password} }}
  # Servers find each other by the addresses that they are given; the password of a route comes from its own server.
  routes: [
{peers}
  ]
}}
"""
    )


def stores() -> list[Manifest]:
    return [*nats(1), *_mongodb(), *_redis()]


def nats(copies: int) -> list[Manifest]:
    """Trap: its service must name servers that are not ready yet, or no cluster forms."""
    name = "nats"
    config = "cluster.conf" if copies > 1 else "nats.conf"
    start = f"set -a; . {MOUNT}/nats_passwords; exec nats-server --config /etc/nats/{config}"
    doors = {"nats": STORE_PORTS[name], "monitor": MONITOR_PORT, **({"routes": ROUTE_PORT} if copies > 1 else {})}
    server = {
        "name": name,
        "image": SERVERS[name],
        "command": ["sh", "-c", start],
        "ports": [{"name": port, "containerPort": number} for port, number in doors.items()],
        "env": [
            {"name": "NATS_SERVER_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            *variables({"NATS_STORE_DIR": DATA}),
        ],
        "startupProbe": probe("/healthz", "monitor", every=2, failures=60),
        "readinessProbe": probe("/healthz?js-server-only=true", "monitor", every=5, failures=3),
        "livenessProbe": probe("/healthz?js-enabled-only=true", "monitor", every=10, failures=6),
        "resources": room(250, 256, 2000, 1024),
        "securityContext": container_security(),
        "volumeMounts": [*mounts(("data", DATA)), {"name": "config", "mountPath": "/etc/nats", "readOnly": True}],
    }
    volumes = [secret_volume(name), tmp_volume(), {"name": "config", "configMap": {"name": "perpetua-nats"}}]
    budget = manifest(
        "policy/v1",
        "PodDisruptionBudget",
        name,
        of=labels(name, STORE),
        spec={"maxUnavailable": 1, "selector": selector(name)},
    )
    return [
        account(name, STORE),
        _service(name, {"nats": STORE_PORTS[name]}),
        _set(name, [server, _exporter()], volumes, copies=copies, disk=DISK, period=60),
        budget,
    ]


def _exporter() -> Manifest:
    """nats-server itself speaks no Prometheus."""
    return {
        "name": "exporter",
        "image": SERVERS["nats-exporter"],
        "args": [f"-port={EXPORTER_PORT}", "-varz", "-jsz=all", f"http://127.0.0.1:{MONITOR_PORT}"],
        "ports": [{"name": "metrics", "containerPort": EXPORTER_PORT}],
        "startupProbe": probe("/metrics", "metrics", every=2, failures=60),
        "readinessProbe": probe("/metrics", "metrics", every=10, failures=3),
        "livenessProbe": probe("/metrics", "metrics", every=30, failures=3),
        "resources": room(20, 32, 200, 128),
        "securityContext": container_security(),
    }


def _mongodb() -> list[Manifest]:
    """Trap: mongod refuses a key file that others than its owner may read."""
    name = "mongodb"
    options = "--replSet perpetua --keyFile /tmp/key --bind_ip_all --wiredTigerCacheSizeGB 0.5"
    start = f"install -m 400 {MOUNT}/{SET_KEY} /tmp/key && exec docker-entrypoint.sh mongod {options}"
    ping = ["mongosh", "--quiet", "--eval", "db.adminCommand('ping').ok || quit(1)"]
    server = {
        "name": name,
        "image": SERVERS[name],
        "command": ["bash", "-c", start],
        "ports": [{"name": name, "containerPort": STORE_PORTS[name]}],
        "env": variables(
            {"MONGO_INITDB_ROOT_USERNAME": "admin", "MONGO_INITDB_ROOT_PASSWORD_FILE": f"{MOUNT}/mongodb_password"}
        ),
        "startupProbe": asks(ping, every=5, failures=30),
        "readinessProbe": asks(ping, every=15, failures=3),
        "livenessProbe": {"tcpSocket": {"port": name}, "periodSeconds": 15, "failureThreshold": 4},
        "resources": room(250, 768, 2000, 1536),
        "securityContext": container_security(),
        "volumeMounts": mounts(("data", "/data/db")),
    }
    return [
        account(name, STORE),
        _service(name, {name: STORE_PORTS[name]}),
        _set(name, [server], [secret_volume(name), tmp_volume()], disk="40Gi", period=90, user=999),
    ]


def _redis() -> list[Manifest]:
    """A cache: nothing of it is written to a disk."""
    name = "redis"
    options = "--save '' --appendonly no --maxmemory 256mb --maxmemory-policy noeviction"
    ping = ["sh", "-c", "redis-cli ping | grep -q -e PONG -e NOAUTH"]
    server = {
        "name": name,
        "image": SERVERS[name],
        "command": ["sh", "-c", f"exec redis-server --aclfile {MOUNT}/redis_acl {options}"],
        "ports": [{"name": name, "containerPort": STORE_PORTS[name]}],
        "startupProbe": asks(ping, every=2, failures=30),
        "readinessProbe": asks(ping, every=10, failures=3),
        "livenessProbe": {"tcpSocket": {"port": name}, "periodSeconds": 15, "failureThreshold": 4},
        "resources": room(50, 64, 500, 384),
        "securityContext": container_security(),
        "volumeMounts": mounts(),
    }
    return [
        account(name, STORE),
        _service(name, {name: STORE_PORTS[name]}),
        _set(name, [server], [secret_volume(name), tmp_volume()], period=30, user=999),
    ]


def _service(name: str, doors: dict[str, int]) -> Manifest:
    return manifest(
        "v1",
        "Service",
        name,
        of=labels(name, STORE),
        spec={
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(name)["matchLabels"],
            "ports": [{"name": port, "port": number} for port, number in doors.items()],
        },
    )


def _set(
    name: str,
    containers: list[Manifest],
    volumes: list[Manifest],
    *,
    period: int,
    copies: int = 1,
    disk: str = "",
    user: int = UID,
) -> Manifest:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": disk}}},
    }
    return manifest(
        "apps/v1",
        "StatefulSet",
        name,
        of=labels(name, STORE),
        spec={
            "serviceName": name,
            "replicas": copies,
            "podManagementPolicy": "Parallel",
            "selector": selector(name),
            "template": pod(
                name,
                STORE,
                security=pod_security(user, user),
                terminationGracePeriodSeconds=period,
                topologySpreadConstraints=spread(name),
                containers=containers,
                volumes=volumes,
            ),
            **({"volumeClaimTemplates": [claim]} if disk else {}),
        },
    )
