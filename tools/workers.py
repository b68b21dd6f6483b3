"""What is said of all workers is what the table of workers says: packages, settings, contracts, groups of dependencies,
durables, ARCHITECTURE.md."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.run.variables import settings_classes
from cli.run.workers import NAMES, TABLE, WorkerKind
from libs.runtime.settings import variables_of
from libs.schemas.subjects import DURABLES
from tools.paths import ROOT

ALL_OF_THEM = {"service-layers": "containers", "services-independent": "modules"}
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<keeps>[^|]*) \| (?P<calls>[^|]*) \|", re.MULTILINE)
DATABASES = {"mongodb": "MONGODB_URL", "redis": "REDIS_URL"}


def check_workers() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [
        *_packages(),
        *contracts(project["tool"]["importlinter"]["contracts"]),
        *_extras(project["project"]["optional-dependencies"], (ROOT / "Makefile").read_text()),
        *_settings(),
        *_durables(),
        *architecture((ROOT / "ARCHITECTURE.md").read_text()),
    ]


def _packages() -> Iterator[str]:
    there = {path.parent.name for path in (ROOT / "services").glob("*/app.py")}
    yield from (f"services/{name} is not in cli/run/workers.py" for name in sorted(there - set(NAMES)))
    yield from (f"cli/run/workers.py: services/{name}/app.py is missing" for name in NAMES if name not in there)


def contracts(listed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each contract that is about all services names all, and each layer that must be pure is named where it is."""
    by_id = {contract["id"]: contract for contract in listed}
    for contract, key in ALL_OF_THEM.items():
        if list(by_id[contract][key]) != [row.package for row in TABLE]:
            yield f"pyproject.toml: the contract {contract} does not name the workers of cli/run/workers.py, in order"
    for contract, layer in (("pure", "domain"), ("application", "application")):
        named = [module for module in by_id[contract]["source_modules"] if module.startswith("services.")]
        if named != [f"{row.package}.{layer}" for row in TABLE if _has(row, layer)]:
            yield f"pyproject.toml: the contract {contract} does not name the {layer} of every worker, in order"


def _has(row: WorkerKind, layer: str) -> bool:
    folder = ROOT / "services" / row.name
    return (folder / layer).is_dir() or (folder / f"{layer}.py").is_file()


def _extras(extras: Mapping[str, Any], makefile: str) -> Iterator[str]:
    exported = next(line.split() for line in makefile.splitlines() if line.startswith("EXTRAS :="))
    for row in TABLE:
        if row.group not in extras:
            yield f"pyproject.toml has no extra {row.group}"
        if row.group not in exported:
            yield f"Makefile: EXTRAS does not name {row.group}"
        if not (ROOT / "requirements" / f"{row.group}.txt").is_file():
            yield f"requirements/{row.group}.txt is missing: run `make lock`"


def _settings() -> Iterator[str]:
    """A worker reads the ports and the databases that the table gives it, and no others."""
    for name, settings in settings_classes().items():
        row = next(row for row in TABLE if row.name == name)
        read = {variable for names in variables_of(settings).values() for variable in names}
        ports = {variable for variable in read if variable.endswith("_PORT")}
        databases = {database for database, variable in DATABASES.items() if variable in read}
        if ports != set(row.ports):
            yield f"cli/run/workers.py: {name} listens on {', '.join(sorted(ports))}"
        if databases != set(row.databases):
            yield f"cli/run/workers.py: {name} has settings of {', '.join(sorted(databases)) or 'no database'}"


def _durables() -> Iterator[str]:
    starts = tuple(row.durables for row in TABLE)
    yield from (
        f"the durable {durable.name} is no worker's" for durable in DURABLES if not durable.name.startswith(starts)
    )


def architecture(text: str) -> Iterator[str]:
    """ARCHITECTURE.md has a row for each worker, with what it keeps besides NATS and whom it calls."""
    rows = {match["name"]: match for match in ROW.finditer(text) if match["name"] in NAMES}
    if tuple(rows) != NAMES:
        yield "ARCHITECTURE.md: the table of workers does not name those of cli/run/workers.py, in order"
        return
    for row in TABLE:
        keeps, calls = rows[row.name]["keeps"].strip(), rows[row.name]["calls"].strip()
        if (keeps, calls) != (", ".join(row.databases) or "-", ", ".join(row.outside) or "-"):
            yield f"ARCHITECTURE.md: the row of {row.name} says something else than cli/run/workers.py"
