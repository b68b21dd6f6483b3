"""The page in the browser: what is loaded before its first figures, and what it costs its reader's machine."""

import asyncio
import re
from pathlib import Path
from typing import Any

from cli.project import ROOT
from tests.e2e.budgets import Measured, measured

LOAD_KB = 150.0
SCRIPTING_MS = 4.0
TASK_MS = 100.0
PER_S = 200
EVENTS = 2_000
WARM = 2_000
HEAP_EVENTS = 20_000
PAGE = ROOT / "build" / "page"
NAMED = re.compile(r'(?:src|href)="\./(assets/[^"]+)"')


def run() -> list[dict[str, Any]]:
    """The size is that of the files, in kB of 1000 bytes; all else is measured in Chromium before a gateway that only
    talks: nine ticks in ten events, else an order, a fill or a decision."""
    index = PAGE / "index.html"
    if not index.is_file():
        raise SystemExit("the page is not built: sh tools/page.sh says why")
    first = {PAGE / f"{name}.gz" for name in NAMED.findall(index.read_text())}
    size = _kilobytes(first) + index.stat().st_size / 1000
    whole = f"all of it {_kilobytes(set((PAGE / 'assets').glob('*.gz'))):.1f} kB"
    return [_row("page_first_load", size, "kB gzip", LOAD_KB, whole), *asyncio.run(_measure())]


async def _measure() -> list[dict[str, Any]]:
    async with measured() as desk:
        paint = await desk.first_paint_ms()
        spent = {name: await _scripting(desk, name) for name in ("overview", "accounts", "decisions")}
        worst = max(spent, key=lambda name: spent[name])
        shown = await desk.all_older()
        nodes = await desk.nodes()
        longest = await desk.longest_task_ms()
        before = await _warm_heap(desk)
        await desk.hears(HEAP_EVENTS)
        grown = await desk.heap_mb() - before
        behind = f"{desk.desk.decisions:,} decisions behind {shown} rows"
    listed = ", ".join(f"{name} {value:.2f}" for name, value in spent.items())
    return [
        _row("page_first_paint", paint, "ms", None, "of the sign-in, by the clock"),
        _row("page_scripting", spent[worst], "ms/event", SCRIPTING_MS, f"at {PER_S} events/s: {listed}"),
        _row("page_longest_task", longest, "ms", TASK_MS, "by the clock; below 50 it is 0"),
        _row("page_nodes", nodes, "nodes", None, behind),
        _row("page_heap", grown, "MB", None, f"grown over {HEAP_EVENTS:,} events, from {before:.1f} MB"),
    ]


async def _scripting(desk: Measured, name: str) -> float:
    await desk.watched.open(name)
    return await desk.scripting_ms(EVENTS, PER_S)


async def _warm_heap(desk: Measured) -> float:
    await desk.watched.open("overview")
    await desk.hears(WARM)
    return await desk.heap_mb()


def _row(name: str, value: float, unit: str, goal: float | None, reference: str) -> dict[str, Any]:
    met = None if goal is None else value <= goal
    return {"name": name, "value": round(value, 2), "unit": unit, "goal": goal, "met": met, "reference": reference}


def _kilobytes(files: set[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1000
