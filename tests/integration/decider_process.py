"""The decider as a process of its own, and what goes into it and comes out of it on the bus."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from libs.schemas import subjects
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from services.decider.app import create_app
from services.decider.settings import Settings
from tests.fakes.decider_contexts import context
from tests.fakes.model_server import ModelServer

ROOT = Path(__file__).parents[2]
OWN_MODEL = "openai-compatible/scripted"


def fresh(name: str, model: str | None = None) -> TradingContext:
    now = datetime.now(UTC)
    return context(name=name, model=model, timestamp=now, expires_at=now + timedelta(seconds=100))


async def publish(js: JetStreamContext, *made: TradingContext) -> None:
    for each in made:
        await js.publish(subjects.context_built(each.account_id), each.model_dump_json().encode())
        if each.assignment.shadows:
            await js.publish(subjects.context_shadowed(each.account_id), each.model_dump_json().encode())


async def proposals(js: JetStreamContext, count: int, seconds: float = 120) -> list[DecisionProposed]:
    """The first `count` proposals on the bus, in their order."""
    found: list[DecisionProposed] = []
    async with asyncio.timeout(seconds):
        while len(found) < count:
            try:
                message = await js.get_msg("DECISIONS", len(found) + 1)
            except NotFoundError:
                await asyncio.sleep(0.02)
                continue
            found.append(DecisionProposed.model_validate_json(message.data or b""))
    return found


@asynccontextmanager
async def process(
    nats_url: str, redis_url: str, server: ModelServer, **more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    places = {"NATS_URL": nats_url, "REDIS_URL": redis_url, "LLM_MODEL": OWN_MODEL, "LLM_BASE_URL": server.url}
    async with started(places | more) as running:
        yield running


@asynccontextmanager
async def started(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A decider with this environment over our own."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.decider.app",
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
        await running.wait()


@asynccontextmanager
async def living(nats_url: str, redis_url: str, server: ModelServer) -> AsyncIterator[None]:
    """One more worker like those of `process`, in this process."""
    settings = Settings(nats_url=nats_url, redis_url=redis_url, llm_model=OWN_MODEL, llm_base_url=server.url)
    worker = create_app(settings)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
