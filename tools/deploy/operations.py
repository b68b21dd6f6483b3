"""docs/operations.md names every worker, with the limit of memory that it has."""

import re
from collections.abc import Iterator

from cli.run.workers import TABLE
from tools.deploy.facts import room_of
from tools.paths import ROOT

ROW = re.compile(r"^\| `(?P<name>\w+)` \| [^|]* \| (?P<limit>\d+) \|", re.MULTILINE)


def check_operations() -> list[str]:
    return list(operations((ROOT / "docs" / "operations.md").read_text()))


def operations(text: str) -> Iterator[str]:
    limits = {match["name"]: int(match["limit"]) for match in ROW.finditer(text)}
    if tuple(limits) != tuple(row.name for row in TABLE):
        yield "docs/operations.md: the table of sizes does not name the workers of cli/run/workers.py, in order"
    for name, limit in limits.items():
        if limit != room_of(name).most_memory:
            yield f"docs/operations.md: {name} may take {room_of(name).most_memory} MiB"
    enabled = re.search(r"systemctl enable --now perpetua\.target(?P<units>[^`]*?)\n```", text)
    units = set(re.findall(r"perpetua-(\w+)", enabled["units"])) if enabled else set()
    yield from (f"docs/operations.md does not enable perpetua-{row.name}" for row in TABLE if row.name not in units)
