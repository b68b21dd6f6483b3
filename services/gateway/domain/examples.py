"""An example of every body, made of its schema: what the description shows is always what is taken and answered."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
MOST_DEEP = 6
TIME = "2026-11-20T12:00:00Z"
HEX32 = "0123456789abcdef0123456789abcdef"
# What a field of this name holds, wherever it stands.
BY_NAME: Mapping[str, Any] = {
    "account_id": "alpha",
    "account_ids": ["alpha"],
    "accounts": ["alpha"],
    "strategy_id": "scalping",
    "strategy_ids": ["scalping", "swing"],
    "symbol": "BTCUSDT",
    "asset": "BTCUSDT",
    "symbols": ["BTCUSDT"],
    "client_order_id": HEX32,
    "decision_id": f"dec-{HEX32}",
    "request_id": f"api-{HEX32}",
    "context_id": f"ctx-{HEX32}",
    "correlation_id": f"ctx-{HEX32}",
    "control_id": f"ctl-{HEX32}",
    "event_id": "account.alpha@17",
    "alert_id": "alert-1",
    "key_id": "key-0123456789abcdef",
    "tick_id": "btc-1",
    "location": f"/api/v1/decisions/dec-{HEX32}",
    "model": "builtin/trend",
    "models": ["builtin/trend"],
    "name": "alpha",
    "reason": "the news",
    "who": "anna (key-0123456789abcdef)",
    "by": "anna (key-0123456789abcdef)",
    "why": "the news",
    "price": 64_250.5,
    "close": 64_250.5,
    "open": 64_250.5,
    "high": 64_250.5,
    "low": 64_250.5,
    "close_time": "2026-11-20T12:01:00Z",
    "type": "urn:perpetua:problem:invalid-request",
    "title": "Unprocessable Entity",
    "instance": "/api/v1/decisions/generate",
    "venue": "paper",
    "credential": None,
    "service": "decider",
    "services_missing": [],
    "missing": [],
    "differing": [],
}


def example(schema: Schema, components: Mapping[str, Schema], name: str = "", depth: int = 0) -> Any:
    """A value that fits. `name` is that of the field which it stands in."""
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    if schema.get("examples"):
        return schema["examples"][0]
    if name in BY_NAME and _fits(BY_NAME[name], schema):
        return BY_NAME[name]
    if "enum" in schema:
        return schema["enum"][0]
    for many in ("anyOf", "oneOf", "allOf"):
        if many in schema:
            return example(schema[many][0], components, name, depth)
    return _of_type(schema, components, name, depth)


def _of_type(schema: Schema, components: Mapping[str, Schema], name: str, depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, components, depth)
    if kind == "array":
        return _array(schema, components, name, depth)
    if kind == "string":
        return _text(schema, name)
    if kind in ("integer", "number"):
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else 1)
        return least if "maximum" in schema and schema["maximum"] < 1 else max(least, 1)
    return {"boolean": True, "null": None}.get(str(kind), {})


def _object(schema: Schema, components: Mapping[str, Schema], depth: int) -> dict[str, Any]:
    wanted = schema.get("required", ()) if depth < MOST_DEEP else ()
    fields = schema.get("properties", {})
    return {field: example(fields[field], components, field, depth + 1) for field in wanted}


def _array(schema: Schema, components: Mapping[str, Schema], name: str, depth: int) -> list[Any]:
    least = schema.get("minItems", 0)
    if depth >= MOST_DEEP and not least:
        return []
    items = schema.get("items", {})
    one = example(items, components, name.removesuffix("s"), depth + 1)
    return [one] * max(least, 1)


def _text(schema: Schema, name: str) -> str:
    if schema.get("format") == "date-time":
        return TIME
    pattern = schema.get("pattern", "")
    if "\\d" in pattern and "?!" in pattern:  # a decimal number
        return "100"
    if pattern.endswith("[hd]$"):
        return "7d"
    return (name or "text")[: schema.get("maxLength", 100)]


def _fits(value: Any, schema: Schema) -> bool:
    """Whether a value is of a type that the schema takes at its top."""
    kinds = {kind for part in (schema, *schema.get("anyOf", ())) if (kind := part.get("type"))}
    held = {str: "string", list: "array", float: "number", type(None): "null"}[type(value)]
    return held in kinds and "enum" not in schema
