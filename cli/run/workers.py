"""The table of workers: one row each. What is said of all of them elsewhere (documents, contracts, groups of
dependencies, the plan of a run, their environments) comes from here or is checked against it by `make check`."""

from dataclasses import dataclass
from typing import Literal

Database = Literal["mongodb", "redis"]
Outside = Literal["exchange", "model", "receiver"]


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """`ports` are the variables of the ports that it listens on, `databases` what it keeps things in besides NATS,
    `outside` whom it calls on the internet. Of a `single` one a run has no second copy, and an `optional` one only
    where its configuration gives it something to do."""

    name: str
    ports: tuple[str, ...] = ("PERPETUA_OPS_PORT",)
    databases: tuple[Database, ...] = ()
    outside: tuple[Outside, ...] = ()
    single: bool = False
    optional: bool = False

    @property
    def package(self) -> str:
        return f"services.{self.name}"

    @property
    def module(self) -> str:
        """What `python -m` starts."""
        return f"{self.package}.app"

    @property
    def settings(self) -> str:
        """The module of its Settings class."""
        return f"{self.package}.settings"

    @property
    def group(self) -> str:
        """Its extra in pyproject.toml and its file of pins in requirements/."""
        return self.name

    @property
    def durables(self) -> str:
        """What the names of its durables begin with."""
        return f"{self.name}-"


TABLE = (
    WorkerKind("feed", outside=("exchange",), single=True),  # a lease per symbol makes more feeds idle
    WorkerKind("context", databases=("redis",)),
    WorkerKind("decider", databases=("redis",), outside=("model",)),
    WorkerKind("validator"),
    WorkerKind("executor", databases=("mongodb",), outside=("exchange",)),
    WorkerKind("ledger", databases=("mongodb",)),
    WorkerKind(
        "gateway",
        ports=("PERPETUA_OPS_PORT", "PERPETUA_GATEWAY_PORT"),
        databases=("mongodb", "redis"),
        single=True,  # a second one needs a second port
    ),
    WorkerKind("notifier", outside=("receiver",), optional=True),
)
WORKERS = {row.name: row for row in TABLE}
NAMES = tuple(WORKERS)
ALWAYS = tuple(row.name for row in TABLE if not row.optional)  # those of every run
