"""The servers that tests run against: given by URL, from containers, or child processes of our own."""

import contextlib
import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.embedded.servers import Servers
from tests import containers
from tests.containers import Origin

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Urls:
    """Addresses of the three servers of a test session."""

    nats: str
    mongodb: str
    redis: str


@contextlib.contextmanager
def private_servers() -> Iterator[Servers]:
    """Servers of one's own, not yet started, in a new folder; both are gone afterwards.

    They are for tests that kill, stop or restart servers. Neither URLs nor PATH are looked at: the versions are known.
    They ask nobody who he is, since tests make and delete streams; whole pipelines (tests/e2e, tests/chaos) and
    tests/integration/rights run with the users of the product.
    """
    folder = Path(tempfile.mkdtemp(prefix="perpetua-test-"))
    try:
        with Servers(folder, use_urls=False, use_path=False, users=False) as servers:
            yield servers
            for name in servers.poll():  # nobody wants the data: a second less than an orderly end takes
                servers.signal(name, signal.SIGKILL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def session_urls(env: Mapping[str, str] = os.environ) -> Iterator[Urls]:
    """Addresses from `PERPETUA_TEST_..._URL` where set, the others from containers (`tests/containers.py`), or from
    child processes that are stopped afterwards.

    The product's own variables (NATS_URL, ...) are never read: tests delete streams and databases.
    """
    try:
        origin = containers.origins(env, containers.held_images(env))
    except containers.NoEngineError as error:
        pytest.exit(str(error), 2)
    urls = {name: env[variable] for name, variable in containers.VARIABLES.items() if origin[name] == Origin.GIVEN}
    with contextlib.ExitStack() as stack:
        urls |= containers.start(stack, [name for name in origin if origin[name] == Origin.CONTAINER])
        if children := [name for name in origin if origin[name] == Origin.CHILD]:
            started = stack.enter_context(private_servers()).start()
            urls |= {name: started[name].url for name in children}
        yield Urls(**urls)


def empty_jetstream(url: str) -> None:
    """Delete all streams of a NATS server, by the plain protocol: no event loop is needed or disturbed."""
    parts = urlsplit(url)
    with socket.create_connection(
        (parts.hostname or "127.0.0.1", parts.port or 4222), timeout=_TIMEOUT_S
    ) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        login = {"verbose": False, "pedantic": False, "user": parts.username, "pass": parts.password}
        connection.sendall(f"CONNECT {json.dumps(login)}\r\nSUB _INBOX.tests 1\r\n".encode())

        def ask(subject: str) -> dict[str, object]:
            connection.sendall(f"PUB {subject} _INBOX.tests 0\r\n\r\n".encode())
            while line := lines.readline():
                if line.startswith(b"MSG "):
                    answer: dict[str, object] = json.loads(lines.read(int(line.split()[-1])))
                    lines.readline()
                    return answer
                if line.startswith(b"-ERR"):
                    break
            raise ConnectionError(f"NATS: {line.decode().strip() or 'closed the connection'}")

        while names := ask("$JS.API.STREAM.NAMES").get("streams"):
            assert isinstance(names, list)
            for name in names:
                ask(f"$JS.API.STREAM.DELETE.{name}")
