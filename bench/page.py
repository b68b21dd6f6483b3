"""What a browser loads before the page shows its first figures: compressed, from index.html on."""

import re
from pathlib import Path
from typing import Any

from cli.project import ROOT

GOAL_KB = 150.0
PAGE = ROOT / "build" / "page"
NAMED = re.compile(r'(?:src|href)="\./(assets/[^"]+)"')


def run() -> list[dict[str, Any]]:
    """One row, in kB of 1000 bytes; the reference is everything that was built, charts included."""
    index = PAGE / "index.html"
    if not index.is_file():
        raise SystemExit("the page is not built: sh tools/page.sh says why")
    first = {PAGE / f"{name}.gz" for name in NAMED.findall(index.read_text())}
    size = _kilobytes(first) + index.stat().st_size / 1000
    return [
        {
            "name": "page_first_load",
            "value": round(size, 1),
            "unit": "kB gzip",
            "goal": GOAL_KB,
            "met": size <= GOAL_KB,
            "reference": f"all of it {_kilobytes(set((PAGE / 'assets').glob('*.gz'))):.1f} kB",
        }
    ]


def _kilobytes(files: set[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1000
