"""An executor on real servers, and what a test does to it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import nats
from nats.js import JetStreamContext

from libs.records.collections import ACCOUNTS
from libs.records.provision import provision
from libs.runtime.mongo import client
from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import ids, subjects
from libs.schemas.account import AccountState
from libs.schemas.base import Message
from services.executor.app import create_app
from services.executor.settings import Settings
from tests.fakes import executor_values as values
from tests.pace import PATIENCE_S

ACCOUNT = "paper-1"
ENTRY = values.instruction(quantity=Decimal("0.05"))


class World:
    """Real servers, and what a test does to them."""

    def __init__(self, nats_url: str, mongo_url: str, db_name: str) -> None:
        self.nats_url, self.mongo_url, self.db_name = nats_url, mongo_url, db_name
        self.mongo = client(mongo_url)
        self.db = self.mongo[db_name]
        self.js: JetStreamContext
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        self.nc = await nats.connect(self.nats_url)
        self.js = self.nc.jetstream(timeout=PATIENCE_S)
        await provision_nats(self.js)
        await provision(self.db)
        await self.config(subjects.venue_key("paper", values.SYMBOL), values.filters())
        await self.config(subjects.strategy_key("plain"), values.strategy())
        await self.config(subjects.strategy_key("plain", 1), values.strategy())
        await self.config(subjects.account_key(ACCOUNT), values.account())

    async def stop(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await self.nc.close()
        await self.mongo.close()

    async def config(self, key: str, body: Message) -> None:
        await self.js.publish(f"$KV.config.{key}", body.model_dump_json().encode())

    async def tick(self, price: float) -> None:
        tick = values.tick(price, at=datetime.now(UTC))
        await self.js.publish(subjects.tick(values.SYMBOL), tick.model_dump_json().encode())

    async def send(self, subject: str, body: Message) -> None:
        await self.js.publish(subject, body.model_dump_json().encode())

    async def state(self) -> AccountState:
        message = await self.js.get_last_msg("KV_state", f"$KV.state.{ACCOUNT}")
        return AccountState.model_validate_json(message.data or b"")

    async def events(self) -> list[str]:
        """Kinds of all events in ORDERS, in their order."""
        info = await self.js.stream_info("ORDERS")
        found = [await self.js.get_msg("ORDERS", seq) for seq in range(1, info.state.last_seq + 1)]
        return [(message.subject or "").rpartition(".")[0] for message in found]

    async def process(self, name: str, **variables: str) -> asyncio.subprocess.Process:
        """An executor of its own, as in production."""
        settings = {"NATS_URL": self.nats_url, "MONGODB_URL": self.mongo_url, "PERPETUA_MONGODB_DB": self.db_name}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.executor.app",
            env={**os.environ, **settings, "PERPETUA_INSTANCE": name, **variables},
            stderr=asyncio.subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    @asynccontextmanager
    async def executor(self, name: str = "executor-a", **settings: Any) -> AsyncIterator[Worker]:
        places = {"nats_url": self.nats_url, "mongodb_url": self.mongo_url, "mongodb_db": self.db_name}
        worker = create_app(Settings.model_validate({**places, "instance": name, **settings}))
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()


async def until(check: Callable[[], Awaitable[bool]], *, seconds: float = 90) -> None:
    """Wait for a condition; the clock only bounds a failure."""
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0.02)


async def opened(world: World) -> bool:
    return await world.db[ACCOUNTS].count_documents({"_id": ACCOUNT}) == 1


async def has_events(world: World, *wanted: str) -> bool:
    found = await world.events()
    return all(kind in found for kind in wanted)


async def delivered(world: World, count: int) -> bool:
    durable = subjects.EXECUTOR_PARTITIONS[ids.partition(ACCOUNT)]
    info = await world.js.consumer_info("EXECUTION", durable.name)
    return info.ack_floor is not None and info.ack_floor.consumer_seq >= count and info.num_ack_pending == 0


def now_validated(*finals: object, decision: str = "dec-1") -> Message:
    return values.validated(*finals, decision=decision, at=datetime.now(UTC))  # type: ignore[arg-type]
