"""compose.yaml: the three servers, provisioning, a service for each worker, and what watches them."""

from collections.abc import Mapping
from typing import Any

from cli.run.secret_files import API_KEY, PASSWORDS, SET_KEY, url_file
from cli.run.workers import TABLE, WorkerKind
from libs.schemas.rights import BY_NAME, KEEPER
from tools.deploy import facts
from tools.deploy.compose_parts import Service, hardened, healthy, of_profile, on_loopback
from tools.deploy.compose_watch import watchers
from tools.deploy.facts import MONITOR_PORT, SECRET_FOLDER, SERVERS, UID
from tools.deploy.text import to_yaml

SECRETS = "deploy/secrets"
HEAD = (
    "  .venv/bin/perpetua secrets deploy/secrets     # once: passwords, a file each",
    "  docker compose --profile core up --build      # add --profile observability for Prometheus, Grafana and traces",
    "What a worker reads besides (`.env.example`) is taken from the environment or from a file .env beside this one.",
    "docs/operations.md says the rest.",
)
# Runs in the image, which has neither curl nor wget.
HEALTH = (
    "import http.client, os, sys; "
    "c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PERPETUA_OPS_PORT']), timeout=4); "
    "c.request('GET', '/ready'); sys.exit(c.getresponse().status != 200)"
)


def compose_file() -> str:
    return to_yaml(compose(), head=HEAD)


def compose() -> dict[str, Any]:
    services: dict[str, Service] = {
        **_stores(),
        "provision": _provision(),
        **{row.name: _worker(row) for row in TABLE},
        **watchers(),
    }
    used = sorted({name for service in services.values() for name in service.get("secrets", ())})
    return {
        "name": "perpetua",
        "services": services,
        "networks": {
            **{name: {"internal": True} for name in ("nats", "mongodb", "redis", "watch")},
            "outside": {},
            "door": {},
        },
        "volumes": {name: {} for name in ("nats", "mongodb", "prometheus", "grafana", "tempo")},
        "secrets": {name: {"file": f"./{SECRETS}/{name}"} for name in used},
    }


def _core(service: Service) -> Service:
    return of_profile("core", service)


def _stores() -> dict[str, Service]:
    return {"volumes": _volumes(), "nats": _nats(), "mongodb": _mongodb(), "redis": _redis()}


def _volumes() -> Service:
    """A new volume is root's; nats-server is not root."""
    return _core(
        {
            "image": SERVERS["nats"],
            "entrypoint": ["chown", f"{UID}:{UID}", "/data"],
            **hardened(64, user="0:0"),
            "cap_add": ["CHOWN"],
            "restart": "no",
            "network_mode": "none",
            "volumes": ["nats:/data"],
        }
    )


def _nats() -> Service:
    start = f"set -a; . {SECRET_FOLDER}/nats_passwords; exec nats-server --config /etc/nats/nats.conf"
    return _core(
        {
            "image": SERVERS["nats"],
            "entrypoint": ["sh", "-c", start],
            "environment": {"NATS_SERVER_NAME": "nats", "NATS_STORE_DIR": "/data"},
            **hardened(1024, 2.0),
            "stop_grace_period": "30s",
            "secrets": ["nats_passwords"],
            "volumes": ["./deploy/nats:/etc/nats:ro", "nats:/data"],
            "networks": ["nats"],
            "depends_on": {"volumes": {"condition": "service_completed_successfully"}},
            "healthcheck": healthy(["wget", "-q", "-O", "-", f"http://127.0.0.1:{MONITOR_PORT}/healthz"]),
        }
    )


def _mongodb() -> Service:
    """Trap: mongod refuses a key file that others may read, and a file of secrets is one."""
    options = "--replSet perpetua --keyFile /tmp/key --bind_ip_all --wiredTigerCacheSizeGB 0.5"
    run = f"exec docker-entrypoint.sh mongod {options}"
    return _core(
        {
            "image": SERVERS["mongodb"],
            "entrypoint": ["bash", "-c", f"install -m 400 {SECRET_FOLDER}/{SET_KEY} /tmp/key && {run}"],
            "environment": {
                "MONGO_INITDB_ROOT_USERNAME": "admin",
                "MONGO_INITDB_ROOT_PASSWORD_FILE": f"{SECRET_FOLDER}/mongodb_password",
            },
            **hardened(1536, 2.0, user="999:999"),
            "stop_grace_period": "60s",
            "secrets": [SET_KEY, "mongodb_password"],
            "volumes": ["mongodb:/data/db"],
            "networks": ["mongodb"],
            "healthcheck": healthy(["mongosh", "--quiet", "--eval", "db.adminCommand('ping').ok || quit(1)"], 60),
        }
    )


def _redis() -> Service:
    options = "--save '' --appendonly no --maxmemory 256mb --maxmemory-policy noeviction"
    start = f"exec redis-server --aclfile {SECRET_FOLDER}/redis_acl {options}"
    return _core(
        {
            "image": SERVERS["redis"],
            "entrypoint": ["sh", "-c", start],
            **hardened(384, user="999:1000"),
            "secrets": ["redis_acl"],
            "networks": ["redis"],
            # NOAUTH is an answer too: who asks here has no password, and needs none to see that it lives.
            "healthcheck": healthy(["sh", "-c", "redis-cli ping | grep -q -e PONG -e NOAUTH"]),
        }
    )


def _image(name: str) -> Service:
    return {"image": facts.image_of(name), "build": {"context": ".", "args": {"SERVICE": name}}}


def _provision() -> Service:
    options = ["--users", f"{SECRET_FOLDER}/{PASSWORDS}", "--api-key", f"{SECRET_FOLDER}/{API_KEY}"]
    secrets = facts.admin_secrets()
    return _core(
        {
            **_image(facts.COMMAND),
            "command": ["provision", *options],
            "environment": {
                **facts.file_variables(secrets),
                "ASSETS": None,
                "PERPETUA_MONGODB_DB": None,
                "PERPETUA_NATS_CA": None,
            },
            **hardened(256),
            "restart": "on-failure",
            "secrets": [*secrets.values(), url_file("nats", KEEPER), PASSWORDS, API_KEY],
            "networks": ["nats", "mongodb"],
            "depends_on": {store: {"condition": "service_healthy"} for store in ("nats", "mongodb")},
        }
    )


def _worker(row: WorkerKind) -> Service:
    room, secrets = facts.room_of(row.name), facts.secrets_of(row)
    published = [on_loopback(port, "GATEWAY_PUBLISHED") for name, port in facts.ports_of(row).items() if name != "ops"]
    service = {
        **_image(row.name),
        "environment": _environment(row, secrets),
        **hardened(room.most_memory, room.most_cpu / 1000),
        "stop_grace_period": f"{room.period}s",
        "secrets": list(secrets.values()),
        "networks": networks_of(row),
        "depends_on": _after(row),
        "healthcheck": healthy(["python3", "-I", "-S", "-c", HEALTH], 60),
    }
    routes = f"${{NOTIFIER_ROUTES:-./{facts.ROUTES}}}:{facts.ROUTES_SEEN}:ro"
    return _core(
        service | ({"ports": published} if published else {}) | ({"volumes": [routes]} if facts.has_routes(row) else {})
    )


def _environment(row: WorkerKind, secrets: Mapping[str, str]) -> dict[str, str | None]:
    passed = dict.fromkeys((*facts.settable(row), *facts.TELEMETRY))
    return {**facts.fixed(row), **facts.file_variables(secrets), **passed}


def networks_of(row: WorkerKind) -> list[str]:
    """Those of its stores, of who calls it, and the way out where it has one."""
    return [
        *facts.stores_of(row),
        "watch",
        *(["outside"] if row.outside else []),
        *(["door"] if "gateway" in facts.ports_of(row) else []),
    ]


def _after(row: WorkerKind) -> Service:
    """Who pulls nothing, as feed and gateway, comes last: the others are there to hear what it says. Nobody waits for
    an optional worker: a mistake in a route must not keep the market from being traded."""
    stores = {store: {"condition": "service_healthy"} for store in facts.stores_of(row)}
    heard = [other.name for other in TABLE if BY_NAME[other.name].pulls and not other.optional]
    listeners = heard if not BY_NAME[row.name].pulls else []
    return {
        "provision": {"condition": "service_completed_successfully"},
        **stores,
        **{name: {"condition": "service_healthy"} for name in listeners},
    }
