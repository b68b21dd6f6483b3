"""No collection is named outside libs/records: a name that is spelled twice will differ one day."""

import ast
from collections.abc import Iterator
from pathlib import Path

from libs.records.collections import INDEXES
from tools.paths import ROOT, tracked

HOME = "libs/records/"
DATABASES = frozenset({"db", "_db", "database", "_database", "collections"})
CLIENTS = frozenset({"mongo", "client", "_client"})
METHODS = frozenset({"get_collection", "create_collection", "drop_collection", "Upsert"})
STAGES = frozenset({"from", "coll", "into", "$out"})  # of $lookup, $unionWith, $merge, $out


def check_collections() -> list[str]:
    return list(check_collection_names(ROOT, list(tracked())))


def check_collection_names(root: Path, files: list[str]) -> Iterator[str]:
    """`files` are paths below `root`."""
    for name in files:
        path = root / name
        if name.endswith(".py") and not name.startswith(HOME) and path.is_file():
            for line, collection in bare_names(path.read_text()):
                yield f"{name}:{line}: names the collection {collection}: take it from libs/records/collections.py"


def bare_names(source: str) -> list[tuple[int, str]]:
    """Line and name of every collection that a module names by itself."""
    return [
        (named.lineno, named.value)
        for node in ast.walk(ast.parse(source))
        for named in _candidates(node)
        if isinstance(named, ast.Constant) and isinstance(named.value, str) and named.value in INDEXES
    ]


def _candidates(node: ast.AST) -> Iterator[ast.expr]:
    """Where a collection can be named: db["x"], client["perpetua"]["x"], get_collection("x"), {"from": "x"}."""
    match node:
        case ast.Subscript(value=ast.Subscript(value=client), slice=named) if _name(client) in CLIENTS:
            yield named
        case ast.Subscript(value=holder, slice=named) if _name(holder) in DATABASES:
            yield named
        case ast.Attribute(value=holder, attr=attribute) if _name(holder) in DATABASES:
            yield ast.copy_location(ast.Constant(attribute), node)
        case ast.Call(func=called, args=[named, *_]) if _name(called) in METHODS:
            yield named
        case ast.Dict(keys=keys, values=values):
            fields = zip(keys, values, strict=True)
            yield from (value for key, value in fields if isinstance(key, ast.Constant) and key.value in STAGES)


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
