"""No source file is longer than can be read at one go."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("libs", "services", "replay", "cli", "tests", "bench", "tools")
LINES = 300


def check_sizes(root: Path = ROOT) -> Iterator[str]:
    for path in sorted(path for room in ROOMS for path in (root / room).rglob("*.py")):
        lines = path.read_bytes().count(b"\n")
        if lines > LINES:
            yield f"{path.relative_to(root).as_posix()} has {lines} lines, at most {LINES} go: part it"
