"""The feed's lease is kept by a thread: work that stops the event loop does not lose it, another copy does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from libs.runtime.clock import WallClock
from libs.runtime.connection import Connection
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.settings import RuntimeSettings
from libs.schemas.subjects import KV_LEASE
from services.feed.adapters.kept import KeptLease
from services.feed.adapters.lease import HELD_S, KvLease
from services.feed.ports import LeaseLost
from tests.integration.test_feed import js
from tests.pace import PATIENCE_S

__all__ = ["js"]
pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("js")]
KEY, AT = "test", datetime(2025, 5, 15, tzinfo=UTC)


@asynccontextmanager
async def kept(url: str, name: str) -> AsyncIterator[KeptLease]:
    settings = RuntimeSettings(nats_url=url, instance=name)
    lease = KeptLease(
        lambda: Connection(settings, DeliveryMetrics(CollectorRegistry()), "feed"),
        lambda bus: KvLease(bus, WallClock(), KEY, name),
    )
    await lease.start()
    try:
        yield lease
    finally:
        await lease.stop()


async def test_a_lease_is_kept_while_the_event_loop_stands_still(nats_url: str) -> None:
    async with kept(nats_url, "a") as lease:
        assert await lease.acquire() is None
        time.sleep(2 * HELD_S)  # noqa: ASYNC251 - the loop standing still is what is tried
        assert lease.held
        await lease.renew("series", AT)


async def test_what_was_noted_is_what_the_next_holder_hears(nats_url: str) -> None:
    async with kept(nats_url, "a") as first:
        await first.acquire()
        await first.renew("series", AT)
        await first.release("series", AT)
        assert not first.held
    async with kept(nats_url, "b") as second, asyncio.timeout(PATIENCE_S):
        reached = await second.acquire()
        assert reached is not None
        assert (reached.series, reached.position) == ("series", AT)


async def test_a_lease_that_another_copy_took_is_lost_at_once(nats_url: str) -> None:
    settings = RuntimeSettings(nats_url=nats_url)
    other = Connection(settings, DeliveryMetrics(CollectorRegistry()), "feed")
    await other.broker.connect()
    async with kept(nats_url, "a") as lease:
        await lease.acquire()
        entry = await other.bus.kv_get(KV_LEASE.name, KEY)
        assert entry is not None
        await other.bus.kv_put(KV_LEASE.name, KEY, entry.value)
        async with asyncio.timeout(PATIENCE_S):
            while lease.held:  # noqa: ASYNC110 - the lease tells nobody
                await asyncio.sleep(0.02)
        with pytest.raises(LeaseLost):
            await lease.renew("series", AT)
    other.expect_close()
    await other.close()
