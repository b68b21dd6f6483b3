"""A public class name stands once in the code base: one name, one thing."""

import ast
from collections.abc import Iterator, Mapping

from tools.paths import sources

ONE_EACH = frozenset({"Deps", "Settings"})  # every service has its own, and none is seen outside it


def check_names() -> list[str]:
    return repeated(sources())


def repeated(texts: Mapping[str, str]) -> list[str]:
    """One line for each public class whose name an earlier one has. `texts` are modules by path."""
    first: dict[str, str] = {}
    lines: list[str] = []
    for path, text in texts.items():
        for name, place in _classes(path, text):
            if name in first:
                lines.append(f"{place}: the class {name} is at {first[name]} too: say what this one is")
            else:
                first[name] = place
    return lines


def _classes(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Name and place of each class that others may use."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in ONE_EACH:
            yield node.name, f"{path}:{node.lineno}"
