"""What is true of a worker wherever it runs: its ports, files of secrets, environment, room."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cli.run.secret_files import keys_of, url_file
from cli.run.variables import settings_classes
from cli.run.workers import TABLE, WorkerKind
from libs.runtime.settings import FILE_ENDING, variables_of
from libs.schemas.rights import BY_NAME
from tools.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION: str = PROJECT["project"]["version"]
MADE = (
    "Made by `python -m tools.checks --write` of the table of workers (cli/run/workers.py); `make check` compares it."
)
UID = 10001
ROUTES, ROUTES_SEEN = "config/notifications.yaml", "/app/config/notifications.yaml"  # here, and in the image
COMMAND = "cli"  # the image of the `perpetua` command, which provisions
IMAGES = (*(row.name for row in TABLE), COMMAND)
PORTS: Mapping[str, int] = {"PERPETUA_OPS_PORT": 8081, "PERPETUA_GATEWAY_PORT": 8080}
OPS_PORT = PORTS["PERPETUA_OPS_PORT"]
STORE_PORTS: Mapping[str, int] = {"nats": 4222, "mongodb": 27017, "redis": 6379}
HTTPS, MAIL = 443, (465, 587)
MONITOR_PORT = 8222  # of nats-server
EXPORTER_PORT = 7777  # of what tells Prometheus of it
VOLUMES_PORT = 9100  # of what tells it of their disks
URLS: Mapping[str, str] = {"nats": "NATS_URL", "mongodb": "MONGODB_URL", "redis": "REDIS_URL"}
# Read by OpenTelemetry itself.
TELEMETRY = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TIMEOUT")
SECRET_FOLDER = "/run/secrets"  # noqa: S105

# Of the versions that the suite runs against; the rest are the newest whose tags were known when this was written.
SERVERS: Mapping[str, str] = {
    "nats": "nats:2.15.1-alpine",
    "mongodb": "mongo:6.0.5",
    "redis": "redis:6.2.14-alpine",
    "prometheus": "prom/prometheus:v2.55.1",
    "alertmanager": "prom/alertmanager:v0.27.0",
    "grafana": "grafana/grafana:11.4.0",
    "collector": "otel/opentelemetry-collector-contrib:0.115.1",
    "tempo": "grafana/tempo:2.6.1",
    "volumes-exporter": "prom/node-exporter:v1.8.2",
    "nats-exporter": "natsio/prometheus-nats-exporter:0.16.0",
}


@dataclass(frozen=True, slots=True)
class Room:
    """MiB and thousandths of a core that a worker asks for and may take; seconds for its work in flight at a stop."""

    memory: int = 128
    most_memory: int = 256
    cpu: int = 100
    most_cpu: int = 1000
    grace: int = 20

    @property
    def period(self) -> int:
        """Until it is killed: longer than a worker gives itself (`Worker.serve` waits 5 s beyond its grace)."""
        return self.grace + 15


# From resident memory when ready (docs/benchmarks.md), ccxt with a live feed or venue, and the bounds of work at once.
ROOMS: Mapping[str, Room] = {
    "feed": Room(memory=160, most_memory=384),
    "decider": Room(memory=320, most_memory=640, cpu=200, grace=30),  # a decision may take 20 s of models' time
    "executor": Room(memory=192, most_memory=512, cpu=200),
    "gateway": Room(memory=160, most_memory=384),
}


def room_of(name: str) -> Room:
    return ROOMS.get(name, Room())


def image_of(name: str) -> str:
    return f"perpetua-{name}:{VERSION}"


def stores_of(row: WorkerKind) -> tuple[str, ...]:
    return ("nats", *row.databases)


def durables_of(row: WorkerKind) -> tuple[str, ...]:
    """The names of those that it pulls from."""
    return tuple(one.name for one in BY_NAME[row.name].pulls)


def secrets_of(row: WorkerKind) -> dict[str, str]:
    """Variables of secrets, each with the name of its file."""
    urls = {URLS[store]: url_file(store, row.name) for store in stores_of(row)}
    return urls | keys_of(settings_classes()[row.name])


def ports_outside(row: WorkerKind) -> tuple[int, ...]:
    """Of the internet: mail is sent by the notifier alone."""
    return (HTTPS, *(MAIL if has_routes(row) else ())) if row.outside else ()


def has_routes(row: WorkerKind) -> bool:
    """Whether it tells somebody: whom, is a file of the installation's own."""
    return "receiver" in row.outside


def admin_secrets() -> dict[str, str]:
    return {URLS[store]: url_file(store, "admin") for store in ("nats", "mongodb")}


def file_variables(secrets: Mapping[str, str], folder: str = SECRET_FOLDER) -> dict[str, str]:
    return {f"{variable}{FILE_ENDING}": f"{folder}/{file}" for variable, file in secrets.items()}


def ports_of(row: WorkerKind) -> dict[str, int]:
    """By the name that a port has in a manifest: ops, gateway."""
    return {variable.split("_")[1].lower(): PORTS[variable] for variable in row.ports}


def fixed(row: WorkerKind) -> dict[str, str]:
    """What a container decides by itself."""
    hosts = {variable.replace("_PORT", "_HOST"): "0.0.0.0" for variable in row.ports}  # noqa: S104
    return {
        **{variable: str(PORTS[variable]) for variable in row.ports},
        **hosts,
        "PERPETUA_GRACEFUL_TIMEOUT": str(room_of(row.name).grace),
    }


def settable(row: WorkerKind) -> Iterator[str]:
    """What is left to whoever runs it: every other variable that the worker reads."""
    taken = {*fixed(row), *secrets_of(row), "PERPETUA_INSTANCE", "PERPETUA_NATS_INBOX"}
    for names in variables_of(settings_classes()[row.name]).values():
        if names[0] not in taken:
            yield names[0]
