"""A worker tells on the bus how it is, so that whoever cannot reach its operations port knows it too."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from libs.runtime.bus import Bus
from libs.runtime.ending import end
from libs.runtime.errors import Unavailable
from libs.schemas.kv_keys import worker_key
from libs.schemas.names import key_of
from libs.schemas.subjects import KV_WORKERS
from libs.schemas.worker import WorkerTold

EVERY_S = 5.0
log = logging.getLogger(__name__)


def version_here() -> str:
    """That of the installed package; a checkout that was never installed has none."""
    try:
        return version("perpetua")
    except PackageNotFoundError:
        return "unknown"


class Telling:
    """`checks` and `details` are those of the worker. While NATS is away nothing is told: it knows that by itself."""

    def __init__(
        self,
        bus: Bus,
        service: str,
        instance: str,
        checks: Callable[[], Mapping[str, bool]],
        details: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._bus = bus
        self._service, self._instance = service, instance
        self._checks, self._details = checks, details
        # An instance may be called by any text; the place of its word is made of a hash.
        self._key = worker_key(key_of(service), hashlib.sha256(instance.encode()).hexdigest()[:16])
        self._version, self._started = version_here(), datetime.now(UTC)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Does not wait for the first word."""
        self._task = asyncio.create_task(self._tell_on(), name="telling")

    async def stop(self) -> None:
        """What ended in order is not looked for any more."""
        if self._task is None:
            return
        await end([self._task])
        if not self._bus.nc.is_connected:
            return  # its word ends by itself
        try:
            await self._bus.kv_delete(KV_WORKERS.name, self._key)
        except Unavailable:
            log.info("NATS is away: the word of this worker ends by itself")

    def soon(self) -> None:
        """Somebody waits for what there is to tell: it is told now, and not only when its turn comes."""
        self._news.set()

    async def _tell_on(self) -> None:
        while True:
            try:
                await self._bus.kv_put(KV_WORKERS.name, self._key, self.now())
            except Unavailable as error:
                log.debug("not told: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), EVERY_S)
            self._news.clear()

    def now(self) -> WorkerTold:
        checks = dict(self._checks())
        return WorkerTold(
            service=self._service,
            instance=self._instance,
            version=self._version,
            started_at=self._started,
            at=datetime.now(UTC),
            ready=all(checks.values()),
            checks=checks,
            details=dict(self._details()),
        )
