"""How fast a ledger that was away catches up: stored events of whole decisions, until all are in MongoDB."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from bench.context_accounts import another_process_is_ready
from cli.connection import connected
from cli.embedded.ports import pick
from cli.embedded.servers import Servers
from libs.records.provision import provision
from libs.runtime.bus import Bus
from libs.runtime.mongo import client
from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from tests.fakes.ledger_chain import Chain

DECISIONS = 500
GOAL = 5_000.0
BENCH_DB = "bench"
DURABLES = (
    subjects.LEDGER_REQUESTS,
    subjects.LEDGER_CONTEXTS,
    subjects.LEDGER_DECISIONS,
    subjects.LEDGER_ORDERS,
)


def run() -> list[dict[str, Any]]:
    """One row."""
    with (
        tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder,
        Servers(Path(folder), use_urls=False, users=False) as servers,
    ):
        urls = {name: info.url for name, info in servers.start().items()}
        count, seconds = uvloop.run(_measure(urls))
    reference = f"{count} events of {DECISIONS} decisions, from the start of the worker's pulling"
    rate = count / seconds
    return [
        {
            "name": "ledger_catch_up",
            "value": rate,
            "unit": "events/s",
            "goal": GOAL,
            "met": rate >= GOAL,
            "reference": reference,
        }
    ]


async def _measure(urls: dict[str, str]) -> tuple[int, float]:
    mongo = client(urls["mongodb"])
    await provision(mongo[BENCH_DB])
    await mongo.close()
    async with connected(urls["nats"]) as bus:
        await provision_nats(bus.js)
        messages = [one for n in range(DECISIONS) for one in Chain(request_id=f"r{n}", account=f"a{n}").messages()]
        for subject, body in messages:
            await bus.publish_fast(subject, body.model_dump_json(exclude_none=True).encode())
        await bus.nc.flush()
        (port,) = pick(1)
        variables = {
            **os.environ,
            "NATS_URL": urls["nats"],
            "MONGODB_URL": urls["mongodb"],
            "PERPETUA_MONGODB_DB": BENCH_DB,
        }
        variables |= {"PERPETUA_OPS_PORT": str(port), "PERPETUA_LOG_LEVEL": "ERROR"}
        process = await asyncio.to_thread(
            subprocess.Popen, [sys.executable, "-m", "services.ledger.app"], env=variables
        )
        try:
            await another_process_is_ready(port)
            began, before = time.perf_counter(), await events_left(bus)
            while await events_left(bus):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
            return before, time.perf_counter() - began
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 20)


async def events_left(bus: Bus) -> int:
    """Events that are not acknowledged."""
    infos = [await bus.js.consumer_info(durable.stream, durable.name) for durable in DURABLES]
    return sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos)
