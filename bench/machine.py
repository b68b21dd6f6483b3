"""How fast this machine is now, beside the one of the committed figures: fixed work, timed around each row."""

import json
import platform
import time
from decimal import Decimal
from pathlib import Path
from statistics import median

REPEATED = 5
UNSTEADY = 0.2  # a row whose factor moved by more while it ran is taken again
_BODY = json.dumps({"rows": [{"symbol": f"S{n}", "price": n / 7, "tags": ["a", "b", str(n)]} for n in range(40)]})


def reference_ms() -> float:
    """Milliseconds of plain Python, Decimal and JSON, the median of some."""
    return median(_timed() for _ in range(REPEATED))


def _timed() -> float:
    began = time.perf_counter()
    _work()
    return (time.perf_counter() - began) * 1e3


def _work() -> int:
    table: dict[int, int] = {}
    for n in range(20_000):
        table[n % 997] = table.get(n % 991, 0) + n
    total = Decimal(0)
    for n in range(4_000):
        total += Decimal(n) / Decimal("7.3") * Decimal("0.0007")
    size = 0
    for _ in range(60):
        size += len(json.dumps(json.loads(_BODY)))
    return size + len(table) + int(total)


def name() -> str:
    """One line that says what this is measured on."""
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
