"""What compose.yaml must hold, beyond the schema of compose files: one line for each thing that is wrong."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.run.variables import settings_classes
from cli.run.workers import WORKERS
from libs.runtime.settings import FILE_ENDING, variables_of
from tools.deploy import facts

Service = Mapping[str, Any]
VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")
LONE_DOLLAR = re.compile(r"(?<!\$)(?:\$\$)*\$(?![${])")  # compose takes it for a variable, or refuses the file
PUBLISHED = frozenset({"gateway", "grafana"})
SECRET_TEXT = re.compile(r"://[^/\s:@]+:[^/\s@$]+@")
NEVER_UNHEALTHY = frozenset({"volumes", "provision", "collector", "nats-exporter"})  # tasks, and images without a shell


def resolved(text: str) -> str:
    """As compose reads it where no variable is set."""
    return VARIABLE.sub(lambda match: match[1], text)


def judge_compose(content: Mapping[str, Any], root: Path) -> list[str]:
    services: Mapping[str, Service] = content["services"]
    return [
        *(f"{name} {wrong}" for name, service in services.items() for wrong in _service(name, service)),
        *(f"{name}: {wrong}" for name, service in services.items() for wrong in _mounted(service, root)),
        *(f"{name} {wrong}" for name in WORKERS for wrong in _worker(name, services.get(name, {}))),
        *_networks(content),
    ]


def _service(name: str, service: Service) -> Iterator[str]:
    if service.get("user", "0:0").startswith("0") and name != "volumes":
        yield "runs as root"
    if service.get("read_only") is not True:
        yield "can write to its root"
    if service.get("cap_drop") != ["ALL"] or (service.get("cap_add") and name != "volumes"):
        yield "has capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield "can gain rights"
    if set(service.get("deploy", {}).get("resources", {}).get("limits", {})) < {"cpus", "memory"}:
        yield "has no limits"
    _, colon, tag = service["image"].rpartition("/")[2].partition(":")
    if not colon or tag in ("", "latest"):
        yield f"has an image without a version: {service['image']}"
    if "healthcheck" not in service and name not in NEVER_UNHEALTHY:
        yield "has no health check"
    for port in service.get("ports", ()):
        if name not in PUBLISHED or port.get("host_ip") != "127.0.0.1":
            yield f"publishes a port: {port}"
    for variable, value in service.get("environment", {}).items():
        if SECRET_TEXT.search(str(value or "")):
            yield f"has a secret in {variable}"
    if LONE_DOLLAR.search(json.dumps(service)):
        yield "has a $ that is neither $$ nor ${"


def _mounted(service: Service, root: Path) -> Iterator[str]:
    volumes = service.get("volumes", ())
    sources = (volume.split(":")[0] if isinstance(volume, str) else volume["source"] for volume in volumes)
    yield from (
        f"{source} is not there" for source in sources if source.startswith(".") and not (root / source).exists()
    )


def _worker(name: str, service: Service) -> Iterator[str]:
    """Its environment is what its Settings class reads, its networks lead to what the table names."""
    if not service:
        yield "has no service"
        return
    row, environment = WORKERS[name], set(service["environment"])
    read = {variable for names in variables_of(settings_classes()[name]).values() for variable in names}
    known = read | {f"{variable}{FILE_ENDING}" for variable in facts.secrets_of(row)} | {*facts.TELEMETRY}
    yield from (f"is given {variable}, which it does not read" for variable in sorted(environment - known))
    secrets = set(facts.secrets_of(row).values())
    yield from (f"is given the secret {one}, which is another's" for one in sorted({*service["secrets"]} - secrets))
    wanted = {f"{variable}{FILE_ENDING}" for variable in facts.secrets_of(row)}
    yield from (f"is not given {variable}" for variable in sorted(wanted - environment))
    ways = {*facts.stores_of(row), "watch", *({"outside"} if row.outside else ())}
    has = {*service["networks"]} - ({"door"} if name in PUBLISHED else set())
    yield from (f"is in the network {one}, which the table does not name" for one in sorted(has - ways))
    yield from (f"is not in the network {one}" for one in sorted(ways - has))


def _networks(content: Mapping[str, Any]) -> Iterator[str]:
    """From a network of a store no way leads out of the machine."""
    for name, network in content["networks"].items():
        if name not in ("outside", "door") and not (network or {}).get("internal"):
            yield f"the network {name} leads outside"
