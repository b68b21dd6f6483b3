"""Ticks per second that one context worker takes in: reading in order, checking, folding into candles.

Reference: a bare nats-py callback that only counts, without gap detection, over the same stored ticks, in the same run
on the same server. Readings alternate; of each kind the median counts.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import uvloop
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from cli.embedded.servers import Servers
from libs.runtime.provision import provision_nats
from libs.runtime.reader import Start
from libs.runtime.ticks import TickIntake
from libs.runtime.worker import Worker
from libs.schemas import subjects
from services.context.domain.market import Bounds, MarketState
from services.context.settings import Settings
from tests import builders

TICKS = 200_000
ROUNDS = 5
SHARE = 0.6
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")


def run() -> list[dict[str, Any]]:
    """One row: the median of five readings of 200 000 stored ticks."""
    with (
        tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder,
        Servers(Path(folder), use_urls=False, users=False) as servers,
    ):
        return uvloop.run(_measure(servers.start()["nats"].url))


async def _measure(url: str) -> list[dict[str, Any]]:
    worker = Worker("context", Settings(nats_url=url))
    await worker.broker.connect()
    try:
        await provision_nats(worker.bus.js)
        await worker.clock.start()
        await _publish(worker)
        bare, taken = [], []
        for _ in range(ROUNDS):
            bare.append(await _bare(worker))
            taken.append(await _take(worker))
        await worker.clock.stop()
    finally:
        await worker.stop()
    value, reference = median(taken), median(bare)
    return [
        {
            "name": "ticks_in",
            "same_run": True,
            "value": round(value),
            "unit": "ticks/s",
            "goal": round(reference * SHARE),
            "met": value >= reference * SHARE,
            "reference": f"bare callback {reference:,.0f}/s, so {value / reference:.0%} (goal {SHARE:.0%})",
        }
    ]


async def _publish(worker: Worker) -> None:
    """An hour of ticks of five symbols, as the feed publishes them: with their ids as headers."""
    begin = datetime.now(UTC) - timedelta(hours=1)
    for n in range(TICKS):
        tick = builders.tick(
            SYMBOLS[n % len(SYMBOLS)],
            100 + n % 97 / 10,
            tick_id=f"bench:{n}",
            ts=begin + timedelta(seconds=n * 3_600 / TICKS),
            size=0.5,
            funding_rate=0.0001,
            next_funding_time=begin + timedelta(hours=8),
            source="bench",
        )
        body = tick.model_dump_json(exclude_none=True).encode()
        await worker.bus.publish_fast(subjects.tick(tick.symbol), body, tick.tick_id)
        if n % 1_000 == 0:
            await worker.bus.nc.flush()
    await worker.bus.nc.flush()
    while (await worker.bus.js.stream_info(subjects.MARKET.name)).state.messages < TICKS:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def _bare(worker: Worker) -> float:
    """Ticks per second of a callback that only counts."""
    done, seen = asyncio.Event(), 0

    async def count(msg: Msg) -> None:
        nonlocal seen
        seen += 1
        if seen == TICKS:
            done.set()

    nc = worker.bus.nc
    inbox = nc.new_inbox()
    subscription = await nc.subscribe(inbox, cb=count, pending_msgs_limit=2 * TICKS, pending_bytes_limit=TICKS * 4096)
    began = time.perf_counter()
    await worker.bus.js.add_consumer(
        subjects.MARKET.name,
        config=ConsumerConfig(deliver_subject=inbox, ack_policy=AckPolicy.NONE, filter_subject="market.tick.*"),
    )
    await done.wait()
    took = time.perf_counter() - began
    await subscription.unsubscribe()
    return TICKS / took


async def _take(worker: Worker) -> float:
    """Ticks per second of the worker's own intake and fold."""
    market = MarketState(Bounds())
    market.use(["5m", "15m"])
    intake = TickIntake(
        worker.bus,
        worker.clock,
        on_tick=market.on_tick,
        on_funding=market.on_funding,
        on_note=market.on_note,
        start=Start.all(),
    )
    began = time.perf_counter()
    await intake.start()
    await intake.caught_up()
    took = time.perf_counter() - began
    await intake.stop()
    applied = sum(track.applied for track in market.tracks())
    assert applied == TICKS, f"{applied} of {TICKS} ticks were applied"
    return TICKS / took
