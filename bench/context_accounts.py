"""How many contexts of different accounts one worker builds, and what each account costs it in memory.

`context_accounts`: 500 accounts with ten symbols and three timeframes ask at once; from the first request until the
last context is stored, by one worker over a real server. Reference: building them and writing them as JSON alone, in
this process. `memory_per_account`: what 1 500 accounts add to that worker, state, place and context included.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import uvloop
from faststream.nats import NatsBroker
from nats.aio.msg import Msg

from bench import context_build
from bench.context_ready import SYMBOLS
from cli.embedded.ports import pick
from cli.embedded.servers import Servers
from cli.probe import get
from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.market import Candle, MarketTick
from libs.schemas.names import ANY, key_of
from services.context.domain.assets import Studies
from services.context.domain.context import Subject, build
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Source
from tests import builders

ACCOUNTS, ROUNDS = 500, 3
TIMEFRAMES: tuple[Timeframe, ...] = ("5m", "15m", "4h")
CANDLES = 300


@dataclass(slots=True)
class Contexts:
    """Counts what is stored."""

    built: int = 0

    async def take(self, message: Msg) -> None:
        self.built += 1


def run() -> list[dict[str, Any]]:
    """Two rows: contexts a second, the median of three rounds, and kibibytes an account."""
    with (
        tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder,
        Servers(Path(folder), use_urls=False, users=False) as servers,
    ):
        urls = {name: info.url for name, info in servers.start().items()}
        rate, memory = uvloop.run(_measure(urls))
    alone = f"built and written alone {_alone():,.0f}/s"
    return [
        _row("context_accounts", rate, "contexts/s", alone),
        _row("memory_per_account", memory, "KiB", f"its state and configuration as JSON {_json_kib():.1f} KiB"),
    ]


def _row(name: str, value: float, unit: str, reference: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 1), "unit": unit, "goal": None, "met": None, "reference": reference}


async def _measure(urls: dict[str, str]) -> tuple[float, float]:
    broker = NatsBroker(urls["nats"])
    await broker.connect()
    try:
        bus = Bus(broker, "bench")
        await provision_nats(bus.js)
        now = datetime.now(UTC)
        await bus.kv_put("config", subjects.strategy_key(key_of("bench")), _subject().strategy)
        await bus.publish_many(Emit(subjects.candle(c.symbol, c.timeframe), c) for c in _candles(now))
        process = await _worker(urls)
        try:
            await _ask_all(bus, ROUNDS)  # everything that is made once is made
            before = psutil.Process(process.pid).memory_info().rss
            rates = [ACCOUNTS / await _ask_all(bus, n) for n in range(ROUNDS)]
            after = psutil.Process(process.pid).memory_info().rss
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 20)
    finally:
        await broker.stop()
    return median(rates), (after - before) / ROUNDS / ACCOUNTS / 1024


async def _worker(urls: dict[str, str]) -> subprocess.Popen[bytes]:
    (port,) = pick(1)
    env = {**os.environ, "NATS_URL": urls["nats"], "REDIS_URL": urls["redis"]}
    env |= {"PERPETUA_OPS_PORT": str(port), "PERPETUA_LOG_LEVEL": "ERROR"}
    process = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-m", "services.context.app"], env=env)
    await another_process_is_ready(port)
    return process


async def another_process_is_ready(port: int) -> None:
    while (answer := await get(port, "/ready")) is None or answer[0] != 200:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)


async def _ask_all(bus: Bus, number: int) -> float:
    """Seconds until 500 new accounts have their contexts."""
    names = [f"bench{number}x{n}" for n in range(ACCOUNTS)]
    for name in names:
        subject = _subject(name)
        await bus.kv_put("config", subjects.account_key(key_of(name)), subject.account)
        await bus.kv_put("state", name, subject.state)
    now = datetime.now(UTC)
    await bus.publish_many(Emit(subjects.tick(tick.symbol), tick) for tick in _ticks(now))
    seen = Contexts()
    subscription = await bus.nc.subscribe(subjects.context_built(ANY), cb=seen.take)
    await bus.nc.flush()
    began = time.perf_counter()
    await bus.publish_many(Emit(subjects.decision_requested(key_of(name)), _request(name, now)) for name in names)
    async with asyncio.timeout(60):
        while seen.built < ACCOUNTS:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.005)
    took = time.perf_counter() - began
    await subscription.unsubscribe()
    return took


def _alone() -> float:
    """Contexts a second without bus and server."""
    market, now = MarketState(Bounds()), datetime.now(UTC)
    market.use(TIMEFRAMES)
    for candle in _candles(now):
        market.on_candle(candle, Source.FEED)
    for tick in _ticks(now):
        market.on_tick(tick, 1)
    studies, request = Studies(market), _request("bench", now)
    subjects_ = [_subject(f"bench{n}") for n in range(ACCOUNTS)]
    began = time.perf_counter()
    for subject in subjects_:
        made = build(request, subject, market, studies, now)
        assert isinstance(made, TradingContext)
        made.model_dump_json(exclude_none=True)
    return ACCOUNTS / (time.perf_counter() - began)


def _candles(now: datetime) -> Iterator[Candle]:
    """Of every symbol and timeframe up to now, and the hours that correlations are from."""
    for timeframe in (*TIMEFRAMES, "1m", "1h"):
        step = timedelta(seconds=TIMEFRAME_SECONDS[timeframe])
        end = datetime.fromtimestamp(now.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
        for s, symbol in enumerate(SYMBOLS):
            for n in range(CANDLES, 0, -1):
                yield context_build.made_candle(symbol, timeframe, end - n * step, 100 + (n * (s + 3)) % 17)


def _ticks(now: datetime) -> list[MarketTick]:
    return [
        builders.tick(symbol, 100.5, ts=now, mark_price=100.4, tick_id=f"{now.timestamp()}:{symbol}")
        for symbol in SYMBOLS
    ]


def _subject(name: str = "bench") -> Subject:
    plain = context_build.made_subject()
    return Subject(
        plain.account.model_copy(update={"account_id": name, "name": name, "symbols": SYMBOLS, "status": "paused"}),
        plain.strategy.model_copy(update={"timeframe_preference": TIMEFRAMES}),
        plain.state.model_copy(update={"account_id": name}),
    )


def _json_kib() -> float:
    subject = _subject()
    return (len(subject.account.model_dump_json()) + len(subject.state.model_dump_json())) / 1024


def _request(name: str, now: datetime) -> DecisionRequest:
    return builders.request(f"{name}-1", account_id=name, requested_at=now, expires_at=now + timedelta(minutes=10))
