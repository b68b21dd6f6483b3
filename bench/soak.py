"""What the workers weigh after five minutes in which 500 accounts ask again as soon as all are answered."""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.load import ACCOUNTS, a_round
from bench.pipeline import MEMORY_GOAL, MEMORY_GOALS
from bench.running import flat_accounts, stack, until
from libs.runtime.clock import MarketClockMirror, sleep_until_market

FOR_S = 300.0


def run() -> list[dict[str, Any]]:
    weights, decisions = asyncio.run(_measure())
    return [
        {
            "name": f"rss_after_{name}",
            "value": weight,
            "unit": "MiB",
            "goal": (goal := MEMORY_GOALS.get(name, MEMORY_GOAL)),
            "met": weight <= goal,
            "reference": f"after {decisions} decisions in {FOR_S:.0f} s or a little more",
        }
        for name, weight in weights.items()
    ]


async def _measure() -> tuple[Mapping[str, float], int]:
    with tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder:
        async with stack(Path(folder), feed="synthetic") as running:
            await until(lambda: len(running.run.board.prices) == 5)
            clock = MarketClockMirror(running.bus)
            await clock.start()
            await sleep_until_market(clock, clock.now() + timedelta(seconds=70))
            names = await flat_accounts(running.bus, "soak", ACCOUNTS)
            began, decisions, number = time.monotonic(), 0, 0
            while time.monotonic() - began < FOR_S:
                number += 1
                decisions += (await a_round(running, clock, names, f"soak{number}")).count
            await clock.stop()
            running.run.refresh()
            return {name: worker["rss_mib"] for name, worker in running.run.summary().workers.items()}, decisions
