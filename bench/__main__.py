"""`python -m bench [--only NAME] [--runs N] [--json FILE]`: the product page's numbers, each beside its reference.

A module in this folder has `run() -> list[Row]` (bench/rows.py); the rows that it can print are in `MODULES`.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from bench import growth, machine
from bench.rows import Figures, Row, judged, line_of, middle, worse
from cli.run.workers import ALWAYS

PROCESSES = ("nats", "mongodb", "redis", *ALWAYS)

MODULES: dict[str, tuple[str, ...]] = {
    "judge": ("judge_10",),
    "context_build": ("context_build",),
    "ticks_in": ("ticks_in",),
    "context_ready": ("context_ready", "memory_per_symbol"),
    "context_accounts": ("context_accounts", "memory_per_account"),
    "decider": (
        "decider_own_p50",
        "decider_own_p99",
        "decider_per_worker",
        "decider_late",
        *(f"tokens_{assets}" for assets in (1, 3, 5, 10)),
    ),
    "replay": ("replay_array", "replay_venue", "replay_contexts"),
    "executor": ("executor_intents", "stop_latency", "paper_accounts"),
    "stream": ("stream_events",),
    "page": (
        "page_first_load",
        "page_first_paint",
        "page_scripting",
        "page_longest_task",
        "page_nodes",
        "page_heap",
    ),
    "api": ("api_generate", "api_history", "api_state", "api_cached_p99"),
    "pipeline": (
        "engine_p50",
        "engine_p50_hops",
        "engine_p99",
        "engine_p99_hops",
        *(f"rss_{name}" for name in ALWAYS),
    ),
    "load": (
        "burst_500",
        "decisions_per_second",
        "cost_all",
        *(f"cost_{name}" for name in PROCESSES),
        "mongo_operations",
        "idle_messages",
        "idle_nats",
    ),
    "growth": tuple(f"{row}_{n}" for row in ("due_accounts", "due_step") for n in growth.ACCOUNTS)
    + tuple(f"close_symbols_{n}" for n in growth.SYMBOLS)
    + ("slow_steps",),
    "ledger": ("ledger_catch_up",),
    "soak": tuple(f"rss_after_{name}" for name in ALWAYS),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure what the product page promises.")
    names = [name for rows in MODULES.values() for name in rows]
    parser.add_argument("--only", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="take every row so often: medians are shown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as a list")
    parser.add_argument("--keep", action="store_true", help="these are the figures that are committed from now on")
    options = parser.parse_args()
    if options.keep and options.only:
        parser.error("--keep takes all rows: they are of one machine")
    figures = Figures.read()
    print(f"machine: {machine.name()}, ×{figures.factor(machine.reference_ms()):.2f} of {figures.machine}", flush=True)
    rows: list[Row] = []
    for module, makes in MODULES.items():
        if options.only is None or options.only in makes:
            rows += _measured(module, options.only, options.runs, figures)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if options.keep:
        values = {row["name"]: float(row["value"]) for row in rows}
        Figures(machine.name(), machine.reference_ms(), values).write()
    return 0


def _measured(module: str, only: str | None, runs: int, figures: Figures) -> list[Row]:
    """The rows of a module, printed."""
    began = time.monotonic()
    rows = middle([_steady(module, figures) for _ in range(runs)])
    rows = [row for row in rows if not only or row["name"] == only]
    for row in rows:
        print(line_of(row), worse(row, figures), flush=True)
    print(f"  ({module}: {time.monotonic() - began:.0f} s)", flush=True)
    return rows


def _steady(module: str, figures: Figures) -> list[Row]:
    """One run; taken again, once, where the machine's speed moved while it went on."""
    run = importlib.import_module(f"bench.{module}").run
    for left in (1, 0):
        before, made, after = machine.reference_ms(), run(), machine.reference_ms()
        if abs(after / before - 1) <= machine.UNSTEADY:
            break
        print(f"  ({module}: the machine's speed moved from {before:.0f} to {after:.0f} ms", end="", flush=True)
        print("; taken again)" if left else "; shown as it is)", flush=True)
    return [judged(row, figures.factor((before + after) / 2)) for row in made]


if __name__ == "__main__":
    sys.exit(main())
