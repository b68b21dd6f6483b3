"""The JSON Schema of a decision: in the strict form of providers with structured output, and as prompts show it."""

import json
from functools import cache
from typing import Any

from libs.schemas.decision import TradingDecision

# Providers refuse some of these keywords; bounds are told in words and checked again by our own parser.
_DROPPED = frozenset({
    "title", "default", "pattern", "format", "minLength", "maxLength", "minItems", "maxItems",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
})  # fmt: skip
# In a prompt a word costs as much as a sentence says better; what guards our own memory is no news to a model.
_UNTOLD = _DROPPED - {"maxItems"} | {"additionalProperties", "description"}


@cache
def response_format() -> dict[str, Any]:
    """The `response_format` parameter. Every property is required; optional ones may be null."""
    schema = _required(_without(TradingDecision.model_json_schema(), _DROPPED))
    return {"type": "json_schema", "json_schema": {"name": "TradingDecision", "strict": True, "schema": schema}}


@cache
def schema_text() -> str:
    """The schema as a prompt shows it: shape and enums alone. What is not required is left out, not null."""
    schema = TradingDecision.model_json_schema()
    shown = _shown(_without(schema, _UNTOLD), schema["$defs"])
    return json.dumps({key: value for key, value in shown.items() if key != "$defs"}, separators=(",", ":"))


def _shown(node: Any, definitions: dict[str, Any]) -> Any:
    """References in place, and `X or null` as X."""
    if isinstance(node, list):
        return [_shown(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _shown(_without(definitions[node["$ref"].rpartition("/")[2]], _UNTOLD), definitions)
    options = [each for each in node.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) == 1:
        return _shown(options[0], definitions)
    return {key: _shown(value, definitions) for key, value in node.items()}


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
