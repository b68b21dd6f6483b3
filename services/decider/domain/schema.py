"""The JSON Schema of a decision, in the strict form that providers with structured output take."""

import json
from functools import cache
from typing import Any

from libs.schemas.decision import TradingDecision

# Providers refuse some of these keywords; bounds are told in words and checked again by our own parser.
_DROPPED = frozenset({
    "title", "default", "pattern", "format", "minLength", "maxLength", "minItems", "maxItems",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
})  # fmt: skip


@cache
def response_format() -> dict[str, Any]:
    """The `response_format` parameter. Every property is required; optional ones may be null."""
    schema = _strict(TradingDecision.model_json_schema())
    return {"type": "json_schema", "json_schema": {"name": "TradingDecision", "strict": True, "schema": schema}}


@cache
def schema_text() -> str:
    """The schema as a prompt shows it, with the bounds and without titles."""
    return json.dumps(_without(TradingDecision.model_json_schema(), frozenset({"title"})), separators=(",", ":"))


def _strict(node: Any) -> Any:
    node = _without(node, _DROPPED)
    return _required(node)


def _required(node: Any) -> Any:
    if isinstance(node, list):
        return [_required(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _required(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict):
        node |= {"required": list(node["properties"]), "additionalProperties": False}
    return node


def _without(node: Any, keywords: frozenset[str], *, names: bool = False) -> Any:
    """A copy without keywords; the keys of `properties` and `$defs` are names and stay."""
    if isinstance(node, list):
        return [_without(item, keywords) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without(value, keywords, names=not names and key in ("properties", "$defs"))
        for key, value in node.items()
        if names or key not in keywords
    }
