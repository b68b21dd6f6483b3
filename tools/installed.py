"""Whether every file of every installed package is there, in the size that its record says. Needs no package: the
set-up runs it with the environment that it has just made."""

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path


def missing(paths: list[str]) -> Iterator[str]:
    """A line for each package that lacks a record or a file, or has one of another size."""
    for package in distributions(path=paths):
        name = package.metadata["Name"]
        if not package.files:
            yield f"{name} has no record of its files"
            continue
        yield from (f"{name} lacks {path}" for path in _broken(package))


def _broken(package: Distribution) -> Iterator[str]:
    for file in package.files or ():
        path = Path(str(file.locate()))
        # Scripts are outside of the packages' folder: they are written for their environment, not copied.
        wanted = None if file.parts[0] == ".." else file.size
        if not path.exists() or (wanted is not None and path.stat().st_size != wanted):
            yield str(file)


def main() -> int:
    lines = list(missing([path for path in sys.path if path.endswith("site-packages")]))
    for line in lines[:10]:
        sys.stderr.write(f"setup: {line}\n")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
