"""Fixtures for all tests: real servers, and a guard that nothing leaves this machine."""

import gc
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from cli.embedded.servers import Servers
from tests import forms, guard
from tests.servers import Urls, empty_jetstream, private_servers, session_urls

# Where it is set, each process that a test starts compiles all our sources anew, and pytest all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

PIPELINES = ("tests/chaos/", "tests/e2e/")
_database_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def servers() -> Iterator[Urls]:
    """Addresses of NATS with JetStream, a MongoDB replica set and Redis, shared by the tests of this process.

    With pytest-xdist each worker has servers of its own: stream names are fixed, so they cannot be shared.
    """
    with session_urls() as urls:
        yield urls


@pytest.fixture
def nats_url(servers: Urls) -> str:
    """A NATS server without streams. A module that wants to keep its streams takes `servers` instead."""
    empty_jetstream(servers.nats)
    return servers.nats


@pytest.fixture
def redis_url(servers: Urls) -> str:
    """An empty Redis database."""
    with Redis.from_url(servers.redis) as client:
        client.flushdb()
    return servers.redis


@pytest.fixture
def mongo_url(servers: Urls) -> str:
    """A MongoDB replica set; what is in it is shared, so take a database of your own by `mongo_db_name`."""
    return servers.mongodb


@pytest.fixture
def mongo_db_name(servers: Urls) -> Iterator[str]:
    """The name of a database that nobody used before; it is dropped after the test."""
    name = f"test_{os.getpid()}_{next(_database_numbers)}"
    yield name
    with MongoClient[dict[str, Any]](servers.mongodb) as client:
        client.drop_database(name)


@pytest.fixture
def own_servers() -> Iterator[Servers]:
    """Started servers that this test may kill. For a whole module: a fixture over `tests.servers.private_servers`."""
    with private_servers() as servers:
        servers.start()
        yield servers


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """A command that runs in this process takes over what its state folder keeps: the next test has none of it."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(autouse=True)
def no_outside_connections() -> Iterator[None]:
    """Fails the test that tried to reach another machine, even when the code under test caught the refusal."""
    guard.refused.clear()
    yield
    assert not guard.refused, f"tried to connect to {', '.join(guard.refused)}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long forms are left out, unless the whole run is long; whole pipelines come first."""
    items.sort(key=lambda item: not item.nodeid.startswith(PIPELINES))
    if not forms.LONG:
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Modules and tests stay until the end: what looks for garbage need not go through them again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With pytest-xdist a file stays in one process, and so do all of chaos and all of e2e, which run first.

    Two whole pipelines at most run side by side: they wait for most of the time. What is short comes last, so that
    the processes end together.

    Trap: `--dist loadgroup` does nothing, without a word, with pytest 9.2 and pytest-xdist 3.8: it marks the group in
    `_nodeid`, which pytest does not read any more, and a file's tests are spread over the processes one by one.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((folder for folder in PIPELINES if file.startswith(folder)), file)

    return ByFile(config, log)


def pytest_configure(config: pytest.Config) -> None:
    guard.guard_connections()
    forms.use_profile()
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as by Ctrl-C, so that fixtures stop their servers."""
    raise KeyboardInterrupt
