"""Typing mistakes in what people write: each name that a model has, at every depth, written wrong.

The names are those of the JSON Schema, not of the walk over the models that is tested by them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from libs.schemas.kinds import ACCOUNT, EXPERIMENT, MODELS, STRATEGY, TRIAL, VENUE
from services.decider.domain.catalogue import CatalogueFile
from tests.builders import venue
from tests.fakes.validator_values import account, strategy

Place = tuple[str | int, ...]
EXAMPLES: dict[type[BaseModel], dict[str, Any]] = {
    ACCOUNT.model: account().model_dump(mode="json"),
    STRATEGY.model: strategy(version=1, ladder={"rungs": 2, "step_pct": 1}).model_dump(mode="json"),
    VENUE.model: venue().model_dump(mode="json"),
    EXPERIMENT.model: {"name": "brave", "mode": "live", "arms": [{"name": "a"}, {"name": "b"}]},
    MODELS.model: {"chain": ["builtin/trend"], "switched_at": "2026-05-04T00:00:00Z", "by": "anna", "why": "a test"},
    TRIAL.model: {"chain": ["builtin/trend"], "calls": True, "asked_at": "2026-05-04T00:00:00Z", "by": "anna"},
    CatalogueFile: {"models": [{"id": "builtin/trend", "provider": "builtin", "context_tokens": 1_000}]},
}


@dataclass(frozen=True, slots=True)
class Typo:
    """A name at a place of a model, as it should be and as it was written."""

    kind: type[BaseModel]
    within: Place
    name: str

    @property
    def written(self) -> str:
        return self.name[:-2] + self.name[-1] if len(self.name) > 3 else self.name + "x"

    @property
    def path(self) -> str:
        return ".".join(map(str, (*self.within, self.written)))

    @property
    def said(self) -> str:
        """What every door says of it."""
        return f"{self.path}: there is no such field; did you mean {self.name}?"

    @property
    def fields(self) -> dict[str, Any]:
        """The outermost field alone, with the mistake in it."""
        value: Any = {self.written: 1}
        for part in reversed(self.within):
            value = [value] if part == 0 else {part: value}
        made: dict[str, Any] = value
        return made

    @property
    def body(self) -> dict[str, Any]:
        """A whole value with this mistake in it."""
        return EXAMPLES[self.kind] | self.fields

    @property
    def nested(self) -> bool:
        return bool(self.within)

    def __str__(self) -> str:
        return f"{self.kind.__name__}.{self.path}"


def typos(*kinds: type[BaseModel]) -> list[Typo]:
    """One for each name that the models have."""
    return [
        Typo(kind, place[:-1], str(place[-1]))
        for kind in kinds
        for schema in (kind.model_json_schema(),)
        for place in dict.fromkeys(_places(schema, schema, ()))
    ]


def containers(kind: type[BaseModel]) -> list[Place]:
    """Where in the value of a kind there are objects with names of their own."""
    return list(dict.fromkeys(typo.within for typo in typos(kind)))


def _places(schema: dict[str, Any], node: Any, within: Place) -> Iterator[Place]:
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for arm in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _places(schema, arm, within)
    for name, inner in node.get("properties", {}).items():
        yield (*within, name)
        yield from _places(schema, inner, (*within, name))
    for name in node.get("propertyNames", {}).get("enum", ()):
        yield (*within, name)
    yield from _places(schema, node.get("items"), (*within, 0))
