"""`python -m bench [--only NAME] [--json FILE]`: every number of the product page, beside what it is compared with.

A module in this folder has `NAMES`, the rows it can print, and `run() -> list[Row]`.
"""

import argparse
import importlib
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

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
    "page": ("page_first_load",),
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
}


def machine() -> str:
    """One line that says what this was measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    cores = len([line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")])
    return f"{model}, {cores} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def line_of(row: dict[str, Any]) -> str:
    """A row for people."""
    verdict = {True: "met", False: "MISSED", None: ""}[row["met"]]
    goal = "" if row["goal"] is None else f"goal {row['goal']:g}"
    return f"{row['name']:<18}{row['value']:>12,.2f} {row['unit']:<10}{goal:<16}{verdict:<8}{row['reference']}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure what the product page promises.")
    names = [name for rows in MODULES.values() for name in rows]
    parser.add_argument("--only", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as a list")
    options = parser.parse_args()
    print(f"machine: {machine()}", flush=True)
    rows: list[dict[str, Any]] = []
    for module, makes in MODULES.items():
        if options.only and options.only not in makes:
            continue
        began = time.monotonic()
        made = importlib.import_module(f"bench.{module}").run()
        made = [row for row in made if not options.only or row["name"] == options.only]
        for row in made:
            print(line_of(row), flush=True)
        print(f"  ({module}: {time.monotonic() - began:.0f} s)", flush=True)
        rows += made
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
