"""How long a context worker needs with ten symbols and full history, and what each symbol costs it in memory.

`context_ready`: from the start of the process until /ready says so, with 1 500 candles of 1m and 300 of each other
timeframe of each symbol in CANDLES, and in MARKET as many ticks as are read again at most. Reference: the same with
an empty log, which is Python and its imports. `memory_per_symbol`: what ten symbols add to the process, a tenth of it.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import uvloop
from faststream.nats import NatsBroker

from cli.embedded.ports import pick
from cli.embedded.servers import Servers
from cli.probe import get
from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.market import Candle
from libs.schemas.names import key_of
from services.context.domain.market import CAPACITY, OTHER_CAPACITY
from services.context.settings import Settings
from tests import builders

SYMBOLS = tuple(f"S{n}USDT" for n in range(10))
TICKS = Settings().replay_ticks
ROUNDS = 3
GOAL_S = 3.0
GOAL_KIB = 1_024.0


def run() -> list[dict[str, Any]]:
    """Two rows: the median of three starts, and kibibytes a symbol."""
    with (
        tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder,
        Servers(Path(folder), use_urls=False, users=False) as servers,
    ):
        return uvloop.run(_measure(servers.start()["nats"].url))


async def _measure(url: str) -> list[dict[str, Any]]:
    broker = NatsBroker(url)
    await broker.connect()
    try:
        bus = Bus(broker, "bench")
        await provision_nats(bus.js)
        empty = [await _start(url) for _ in range(ROUNDS)]
        await _fill(bus)
        full = [await _start(url) for _ in range(ROUNDS)]
    finally:
        await broker.stop()
    (ready, used, rss), (alone, used_alone, rss_alone) = (map(median, zip(*of, strict=True)) for of in (full, empty))
    memory = (rss - rss_alone) / len(SYMBOLS) / 1024
    said = f"with an empty log {alone:.2f} s; of a processor {used:.2f} s and {used_alone:.2f} s"
    return [
        _row("context_ready", round(ready, 2), "s", GOAL_S, said),
        _row("memory_per_symbol", round(memory), "KiB", GOAL_KIB, "12 timeframes, 4 800 candles of 64 bytes: 300 KiB"),
    ]


def _row(name: str, value: float, unit: str, goal: float, reference: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": value <= goal, "reference": reference}


async def _start(url: str) -> tuple[float, float, int]:
    """Seconds until a new worker is ready, those of a processor that it took, and its resident memory then."""
    (port,) = pick(1)
    env = {**os.environ, "NATS_URL": url, "PERPETUA_OPS_PORT": str(port), "PERPETUA_LOG_LEVEL": "ERROR"}
    began = time.perf_counter()
    process = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-m", "services.context.app"], env=env)
    try:
        while (answer := await get(port, "/ready")) is None or answer[0] != 200:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
        took, found = time.perf_counter() - began, psutil.Process(process.pid)
        used = found.cpu_times()
        return took, used.user + used.system, found.memory_info().rss
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)


async def _fill(bus: Bus) -> None:
    now = datetime.fromtimestamp(time.time() // 60 * 60, UTC)
    half = len(TIMEFRAME_SECONDS) // 2  # a strategy has at most so many
    for name, timeframes in (("short", _timeframes()[:half]), ("long", _timeframes()[half:])):
        strategy = builders.strategy(name, timeframe_preference=timeframes)
        account = builders.account(name, symbols=SYMBOLS, strategy_id=name, status="paused")
        await bus.kv_put("config", subjects.strategy_key(key_of(name)), strategy)
        await bus.kv_put("config", subjects.account_key(key_of(name)), account)
    await bus.publish_many(Emit(subjects.candle(c.symbol, c.timeframe), c) for c in _candles(now))
    for n in range(TICKS):
        symbol = SYMBOLS[n % len(SYMBOLS)]
        tick = builders.tick(
            symbol,
            100 + n % 97 / 10,
            tick_id=f"bench:{n}",
            ts=now - timedelta(seconds=600 - n * 600 / TICKS),
            size=0.5,
            source="bench",
        )
        await bus.publish_fast(subjects.tick(symbol), tick.model_dump_json(exclude_none=True).encode(), tick.tick_id)
        if n % 1_000 == 0:
            await bus.nc.flush()
    while (await bus.js.stream_info(subjects.MARKET.name)).state.messages < TICKS:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def _candles(now: datetime) -> Iterator[Candle]:
    """As the feed publishes them: all symbols and timeframes, up to now."""
    for timeframe in _timeframes():
        step = timedelta(seconds=TIMEFRAME_SECONDS[timeframe])
        end = datetime.fromtimestamp(now.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
        for symbol in SYMBOLS:
            for n in range(CAPACITY.get(timeframe, OTHER_CAPACITY), 0, -1):
                price = 100 + n % 13
                extremes = {"high": price + 1, "low": price - 1}
                volume = {"volume": 5, "quote_volume": 5 * price}
                yield builders.candle(symbol, timeframe, end - n * step, price, **extremes, **volume)


def _timeframes() -> tuple[Timeframe, ...]:
    return tuple(TIMEFRAME_SECONDS)  # type: ignore[arg-type]
