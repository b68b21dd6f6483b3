"""Servers in containers: where an engine answers that holds the images of compose.yaml, or where it is asked for."""

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from tools.deploy.facts import SERVERS

VARIABLES = {
    "nats": "PERPETUA_TEST_NATS_URL",
    "mongodb": "PERPETUA_TEST_MONGODB_URL",
    "redis": "PERPETUA_TEST_REDIS_URL",
}
CONTAINERS = "PERPETUA_TEST_CONTAINERS"  # 1: must be, 0: never
SOCKET = "/var/run/docker.sock"
INSIDE = "/.dockerenv"  # in a container, whose engine has its ports elsewhere
ENGINE_S = 5
# Port, command, and what it says when it is ready.
RECIPES = {
    "nats": (4222, "-js", "Server is ready"),
    "mongodb": (27017, "mongod --replSet perpetua --bind_ip_all", "Waiting for connections"),
    "redis": (6379, "redis-server --save '' --appendonly no", "Ready to accept connections"),
}
INITIATE = "rs.initiate(); while (!db.hello().isWritablePrimary) sleep(20)"


class Origin(StrEnum):
    """Where a server of the tests comes from."""

    GIVEN = "given"
    CONTAINER = "container"
    CHILD = "child"


class NoEngineError(Exception):
    """Containers are asked for, and cannot be had."""


def origins(env: Mapping[str, str], held: Collection[str] | None) -> dict[str, Origin]:
    """Of each server. `held` are the images that an engine on this machine has, None where none answers.

    An address comes first. Without a word nothing is pulled: a test run must not hang on a registry.
    """
    asked = env.get(CONTAINERS, "")
    if asked == "1" and held is None and not all(env.get(variable) for variable in VARIABLES.values()):
        raise NoEngineError(f"{CONTAINERS}=1, but no container engine answers: start one, or unset it")

    def of(name: str, variable: str) -> Origin:
        if env.get(variable):
            return Origin.GIVEN
        there = held is not None and SERVERS[name] in held
        return Origin.CONTAINER if asked == "1" or (asked != "0" and there) else Origin.CHILD

    return {name: of(name, variable) for name, variable in VARIABLES.items()}


def held_images(env: Mapping[str, str] = os.environ) -> frozenset[str] | None:
    """What an engine holds whose ports are this machine's own, by name and version; None where none answers."""
    host = env.get("DOCKER_HOST", "")
    near = host.startswith("unix:") or (not host and Path(SOCKET).exists() and not Path(INSIDE).exists())
    if env.get(CONTAINERS) == "0" or not (near or (host and env.get(CONTAINERS) == "1")):
        return None
    import docker

    try:
        with contextlib.closing(docker.from_env(timeout=ENGINE_S, environment=dict(env))) as engine:
            return frozenset(tag for image in engine.images.list() for tag in image.tags)
    except docker.errors.DockerException:
        return None


def start(stack: contextlib.ExitStack, names: Iterable[str]) -> dict[str, str]:
    """Addresses of servers that end with `stack`. Their reaper is left out: it would be one more image to pull."""
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.ryuk_disabled = True
    return {name: _start(stack, name) for name in names}


def _start(stack: contextlib.ExitStack, name: str) -> str:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    port, command, ready = RECIPES[name]
    container = DockerContainer(SERVERS[name]).with_exposed_ports(port).with_command(command)
    stack.enter_context(container.waiting_for(LogMessageWaitStrategy(ready)))
    at = f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"
    if name != "mongodb":
        return f"{name}://{at}"
    container.exec(["mongosh", "--quiet", "--eval", INITIATE])
    return f"mongodb://{at}/?directConnection=true"


def named_hosts(env: Mapping[str, str] = os.environ) -> set[str]:
    """Of addresses that were given on purpose."""
    urls = [env.get(variable, "") for variable in VARIABLES.values()]
    return {host for url in urls if (host := urlsplit(url).hostname)}
