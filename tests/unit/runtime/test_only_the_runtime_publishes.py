"""Row 10 of docs/bus.md: nobody publishes but through the runtime, which waits until the server has stored it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLACES = ("services", "cli", "libs")
OWN = ROOT / "libs" / "runtime"
PUBLISHING = {"publish", "publish_async", "request", "publisher"}
# What these names mean in this code: clients of NATS. A `bus.publish` is the confirmed one.
CLIENTS = {"nc", "js", "broker", "connection", "router", "_nc", "_js", "_broker", "_connection"}
NAMED = re.compile(rf"\b(?:{'|'.join(sorted(CLIENTS))})\b")  # parsing takes a hundred times as long as looking


def receiver(node: ast.expr) -> str:
    """The last name before the method: `self._bus.nc.publish` gives nc, `client().publish` gives client."""
    if isinstance(node, ast.Call):
        return receiver(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def unconfirmed(source: str) -> list[int]:
    """Lines that publish on a client of NATS."""
    if not NAMED.search(source):
        return []
    calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    found = [n for n in calls if isinstance(n.func, ast.Attribute) and n.func.attr in PUBLISHING]
    return [n.lineno for n in found if isinstance(n.func, ast.Attribute) and receiver(n.func.value) in CLIENTS]


def sources() -> Iterator[Path]:
    for place in PLACES:
        yield from (path for path in (ROOT / place).rglob("*.py") if OWN not in path.parents)


SEEN = {
    "the core client": ("await bus.nc.publish('x', b'')", [1]),
    "JetStream": ("await self._bus.js.publish('x', b'')", [1]),
    "the framework": ("\n@broker.publisher('x')\ndef f(): ...", [2]),
    "a call's result": ("await self.broker().publish('x')", [1]),
    "the confirmed way": ("await self._bus.publish(emit)", []),
    "HTTP": ("await client.request('GET', '/')", []),
}


@pytest.mark.parametrize("case", SEEN)
def test_the_search_knows_one_from_the_other(case: str) -> None:
    source, lines = SEEN[case]
    assert unconfirmed(source) == lines


def test_nothing_outside_the_runtime_publishes_by_itself() -> None:
    files = list(sources())
    assert len(files) > 100
    found = {str(path.relative_to(ROOT)): lines for path in files if (lines := unconfirmed(path.read_text()))}
    assert not found, f"publish through libs.runtime.bus: {found}"


def test_ticks_alone_are_published_without_waiting() -> None:
    users = {path.relative_to(ROOT).parts[:2] for path in sources() if ".publish_fast(" in path.read_text()}
    assert users == {("services", "feed")}
