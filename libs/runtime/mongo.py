"""MongoDB as services use it: one client with safe defaults, and errors that mean it is away."""

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any, TypeVar

import pymongo.lock
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure, ExecutionTimeout, NotPrimaryError, WaitQueueTimeoutError

from libs.runtime import tracing
from libs.runtime.mongo_spans import CommandSpans

Document = dict[str, Any]
T = TypeVar("T")
SELECTION_TIMEOUT_MS = 3_000

# What PyMongo raises while the server is away or changes its primary.
MONGO_AWAY: tuple[type[Exception], ...] = (
    ConnectionFailure,
    ExecutionTimeout,
    NotPrimaryError,
    WaitQueueTimeoutError,
)


async def _wait_here(waited: Awaitable[T], timeout: float | None) -> T:
    """As `asyncio.wait_for` is from Python 3.12 on: in the task of its caller.

    Before, it makes a task of PyMongo's wait for a server. A cancellation that meets the end of such a wait (each lasts
    half a second) leaves without that task, which then takes the lock of all server selection and never gives it back:
    no operation of the client ends any more, whatever its time-out.
    """
    async with asyncio.timeout(timeout):
        return await waited


if sys.version_info < (3, 12):
    pymongo.lock.wait_for = _wait_here  # type: ignore[attr-defined,assignment]


def client(url: str) -> AsyncMongoClient[Document]:
    """A client that writes with majority and journal, and reads aware UTC times."""
    return AsyncMongoClient(
        url,
        w="majority",
        journal=True,
        tz_aware=True,
        serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS,
        connectTimeoutMS=SELECTION_TIMEOUT_MS,
        appname="perpetua",
        event_listeners=[CommandSpans()] if tracing.traces() else [],  # the driver's events are not free
    )


class Database:
    """The database of one process; a service of its worker."""

    def __init__(self, url: str, name: str) -> None:
        self._client = client(url)
        self.db: AsyncDatabase[Document] = self._client[name]

    @property
    def client(self) -> AsyncMongoClient[Document]:
        return self._client

    async def ping(self) -> None:
        """Raises what MONGO_AWAY lists while it does not answer."""
        await self.db.command("ping")

    async def start(self) -> None:
        """Does not wait for the server: what needs it waits on its own."""

    async def stop(self) -> None:
        await self._client.close()
