"""Many accounts, context workers that are killed again and again: no trigger is lost, none ends twice."""

import asyncio
import os
import resource
import signal
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from cli.run.backoff import Backoff
from libs.schemas.inflight import InFlight
from libs.schemas.names import key_of
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import KV_CONFIG, KV_INFLIGHT, account_key, strategy_key
from services.feed.domain.synthetic import LISTINGS
from tests import builders
from tests.chaos.invariants import TERMINAL, Log, every_promise_holds, read_log
from tests.chaos.pipeline import WAIT_S, Pipeline, pipeline, until
from tests.forms import sized

ACCOUNTS, SECONDS, EVERY_S = sized((60, 22.0, 5.0), (200, 120.0, 5.0))
SYMBOLS = tuple(listing.symbol for listing in LISTINGS)  # ten


async def open_accounts(run: Pipeline) -> None:
    """Accounts that trade all symbols on the 15m interval; a quarter is also woken by prices, with a pause."""
    stored = await run.bus.kv_get(KV_CONFIG.name, strategy_key(key_of("scalping")))
    assert stored is not None
    changed = {"strategy_id": "quarter", "timeframe_preference": ["15m", "1h"], "version": 1}
    strategy = TradingStrategy.model_validate({**orjson.loads(stored.value), **changed})
    await run.bus.kv_put(KV_CONFIG.name, strategy_key(key_of("quarter")), strategy)
    for n in range(ACCOUNTS):
        account = builders.account(
            f"many{n:03d}",
            symbols=SYMBOLS,
            strategy_id="quarter",
            leverage=Decimal(5),
            price_trigger_pct=0.2 if n % 4 == 0 else None,
            funding_near_min=10 if n % 4 == 1 else None,
            min_seconds_between_decisions=60 if n % 4 == 0 else 0,
        )
        await run.bus.kv_put(KV_CONFIG.name, account_key(account.account_id), account)


async def check_places(run: Pipeline) -> int:
    """Nobody holds a place or waits for one when all is over. Returns the number of places."""
    places = 0
    for key in (f"many{n:03d}" for n in range(ACCOUNTS)):
        entry = await run.bus.kv_get(KV_INFLIGHT.name, key)
        if entry is not None:
            slot = InFlight.model_validate_json(entry.value)
            assert slot.holder is None and slot.line == (), f"{key} is still held: {slot}"
            places += 1
    return places


async def every_account_decided(run: Pipeline) -> None:
    """How many triggers find their moment is the machine's affair: the market goes on until each account had one."""
    async with asyncio.timeout(WAIT_S):
        while await places_of(run) < ACCOUNTS:  # noqa: ASYNC110 - other processes write them
            await asyncio.sleep(0.5)


async def places_of(run: Pipeline) -> int:
    entries = [await run.bus.kv_get(KV_INFLIGHT.name, key_of(f"many{n:03d}")) for n in range(ACCOUNTS)]
    return sum(entry is not None for entry in entries)


async def kill_in_turn(run: Pipeline, seconds: float, every_s: float) -> int:
    """SIGKILL to one copy of the context worker after the other; the supervisor starts them again."""
    copies, kills = run.workers("context"), 0
    for n in range(int(seconds / every_s)):
        await asyncio.sleep(every_s)
        alive = [worker for worker in copies if worker.child is not None]
        wanted = copies[n % 2] if copies[n % 2].child is not None else alive[0] if alive else None
        if wanted is not None and wanted.child is not None:
            wanted.backoff = Backoff()
            os.kill(wanted.child.pid, signal.SIGKILL)
            kills += 1
    return kills


def report(log: Log, kills: int, seconds: float, cpu: float) -> str:
    ends = Counter(kind for kind in TERMINAL for _ in log.of(kind))
    why = Counter(m["reason"] for m in log.of("decision.rejected"))
    joined = Counter(m["why"] for m in log.of("decision.answered"))
    kinds = Counter(m["trigger"]["kind"] for m in log.of("decision.requested"))
    return (
        f"{ACCOUNTS} accounts, {kills} kills in {seconds:.0f} s, {cpu:.0f} s of CPU: triggers {dict(kinds)}, "
        f"ends {dict(ends)}, rejected {dict(why)}, answered {dict(joined)}"
    )


@pytest.mark.slow
@pytest.mark.timeout(sized(600, 1_200))
async def test_context_workers_are_killed_and_every_trigger_of_every_account_ends_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    async with pipeline(tmp_path / "state", replicas="context=2", symbols=SYMBOLS) as run:
        await open_accounts(run)
        began = time.monotonic()
        kills = await kill_in_turn(run, SECONDS, EVERY_S)
        contexts = run.workers("context")
        await until(lambda: all(worker.state == "ready" for worker in contexts), "both copies are ready again")
        await every_account_decided(run)
        await run.quiet()
        await every_promise_holds(run)
        log = await read_log(run.bus)
        asked = {m["request_id"] for m in log.of("decision.requested")}
        assert {m["request_id"] for m in log.of(*TERMINAL)} == asked
        places = await check_places(run)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with capsys.disabled():
        print("\n" + report(log, kills, time.monotonic() - began, cpu))
    assert places == ACCOUNTS, "some accounts were never decided about"
    assert kills >= SECONDS / EVERY_S / 2
