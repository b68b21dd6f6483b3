"""Tasks are cancelled in one place: `libs/runtime/ending.py`, which knows that a task may swallow a cancellation.

Found by the syntax tree: any `….cancel` that is called with at most one argument or handed on uncalled (a venue's
`cancel` takes a symbol and an id), and `TaskGroup`, which cancels once and waits.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("libs", "services", "replay", "simulation", "cli", "tests", "bench", "tools")
# File, and why its cancellation is none of a task that somebody waits for.
ALLOWED: Mapping[str, str] = {
    "libs/runtime/ending.py": "the one place",
    "libs/runtime/alarm.py": "a timer of the loop: it is taken back, nobody waits for it",
    "libs/runtime/heartbeat.py": "a timer of the loop: it is taken back, nobody waits for it",
    "cli/run/signals.py": "a signal asks once: the work may take it as its ordinary end and go on to its summary",
}
WORDS = ("cancel", "TaskGroup")
SAID = "ends a task by hand: use `end` of libs/runtime/ending.py"


def raw_endings(text: str) -> Iterator[int]:
    """The lines of a source text on which a task is cancelled by hand."""
    if not any(word in text for word in WORDS):  # parsing takes a hundred times as long as looking
        return
    tree = ast.parse(text)
    others = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and _arguments(node) > 1}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr == "TaskGroup" or (node.attr == "cancel" and id(node) not in others):
                yield node.lineno
        elif isinstance(node, ast.Name) and node.id == "TaskGroup":
            yield node.lineno


def _arguments(call: ast.Call) -> int:
    return len(call.args) + len(call.keywords)


def check_endings(root: Path = ROOT, allowed: Mapping[str, str] = ALLOWED) -> Iterator[str]:
    """No task is cancelled by hand, and the list of exceptions names nothing that is gone."""
    needed = set()
    for path in sorted(path for room in ROOMS for path in (root / room).rglob("*.py")):
        name = path.relative_to(root).as_posix()
        lines = list(raw_endings(path.read_text()))
        if name in allowed:
            needed |= {name} if lines else set()
            continue
        yield from (f"{name}:{line}: {SAID}" for line in lines)
    unused = sorted(set(allowed) - needed)
    yield from (f"{name} cancels nothing any more: take it from the list of tools/endings.py" for name in unused)
