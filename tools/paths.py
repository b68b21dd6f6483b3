"""Where the project is, and which of its files git knows."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("libs", "services", "replay", "simulation", "cli", "bench", "tools")


@cache
def tracked() -> tuple[str, ...]:
    """Paths below the root, of what is committed or staged."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def sources() -> dict[str, str]:
    """The text of each module of the code base, by path; tests are not among them."""
    paths = sorted(path for room in CODE for path in (ROOT / room).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}
