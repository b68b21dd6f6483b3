"""Seeds of the simulation: one step by step, or many, whose results are kept so that the same command goes on."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cli.errors import CliError
from simulation.faults import KINDS, WORKERS
from simulation.lines import PROTECTING
from simulation.running import SeedResult, Simulation
from simulation.shrinking import shrunk

Tell = Callable[[str], None]
Row = dict[str, Any]


def seeds_of(text: str) -> range:
    """`A..B`, both included."""
    first, dots, last = text.partition("..")
    if not (dots and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise CliError(f"{text!r} is no range of seeds", "say for example --seeds 1..100")
    return range(int(first), int(last) + 1)


def without(line: str | None) -> frozenset[str]:
    """The protecting lines that are left out."""
    if line is not None and line not in PROTECTING:
        known = "; ".join(f"{name}: {what}" for name, what in PROTECTING.items())
        raise CliError(f"there is no line {line!r} to leave out", f"there are {known}")
    return frozenset({line} if line else ())


def one(seed: int, off: frozenset[str], tell: Tell, *, shrink: bool = False) -> bool:
    """Show a seed step by step; whether all promises held."""
    result = Simulation(seed, off=off).run()
    if shrink and result.broken:
        smaller = shrunk(seed, off, tell=tell)
        result = smaller.result if smaller else result
    for line in result.trace:
        tell(line)
    for said in summary(result):
        tell(said)
    return not result.broken


def summary(result: SeedResult) -> Iterator[str]:
    yield ""
    for check in result.checks:
        state = "BROKEN" if check.breaches else "holds" if check.checked else "not checkable"
        yield f"{check.invariant}  {check.promise:<66}  {state:<13}  {check.checked:,} checked"
    yield from (f"      {said}" for said in result.broken)
    counts = result.counts
    yield (
        f"seed {result.seed}: {counts['seconds']} s of simulated time, {counts['steps']:,} steps, "
        f"{counts.get('decision.requested', 0)} requests, {counts.get('order.filled', 0)} fills, "
        f"{counts['faults']} faults; digest {result.digest[:16]}"
    )


def many(seeds: range, off: frozenset[str], keep: Path | None, tell: Tell) -> bool:
    """Run seeds; what the file has of them, without the same lines, is not run again. Whether all promises held."""
    known = _kept(keep, off)
    began, ran = time.monotonic(), 0
    for seed in seeds:
        if seed in known:
            continue
        row = known[seed] = _row(Simulation(seed, off=off).run(), off)
        ran += 1
        if keep is not None:
            with keep.open("a") as file:
                file.write(json.dumps(row) + "\n")
        for said in row["broken"][:3]:
            tell(f"seed {seed}: {said}")
    rows = [known[seed] for seed in seeds]
    for line in _table(rows):
        tell(line)
    if ran:
        seconds = time.monotonic() - began
        tell(f"{ran} seeds in {seconds:.0f} s: {seconds / ran:.2f} s a seed")
    return not any(row["broken"] for row in rows)


def _kept(keep: Path | None, off: frozenset[str]) -> dict[int, Row]:
    if keep is None or not keep.exists():
        return {}
    rows = (json.loads(line) for line in keep.read_text().splitlines())
    return {row["seed"]: row for row in rows if row.get("without", []) == sorted(off)}


def _row(result: SeedResult, off: frozenset[str]) -> Row:
    return {
        "seed": result.seed,
        "without": sorted(off),
        "digest": result.digest,
        "broken": list(result.broken),
        "counts": result.counts,
        "faults": [[*met, count] for met, count in sorted(result.faults.items())],
    }


def _table(rows: list[Row]) -> Iterator[str]:
    """How often each fault met each worker, and what all came to."""
    met: Counter[tuple[str, str]] = Counter()
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row["counts"])
        for kind, worker, _, count in row["faults"]:
            met[kind, worker] += count
    yield f"{'':<16}" + "".join(f"{worker:>11}" for worker in WORKERS)
    for kind in KINDS:
        yield f"{kind:<16}" + "".join(f"{met[kind, worker]:>11,}" for worker in WORKERS)
    broken = sum(bool(row["broken"]) for row in rows)
    yield (
        f"{len(rows):,} seeds, {broken:,} with a broken promise; {total['faults']:,} faults, "
        f"{total['decision.requested']:,} requests, {total['decision.proposed']:,} decisions, "
        f"{total['order.filled']:,} fills, {total['seconds']:,} s of simulated time"
    )
