"""The OpenAPI description is true, and is shown without any other host."""

import asyncio
import re
from functools import cache
from typing import Any

import jsonschema_rs
import pytest

from libs.records.keys import Scope
from tests.fakes.gateway_ports import Gateway
from tests.unit.gateway.test_authorisation import SCOPES

URL = re.compile(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)


STREAMS = {("GET", "/stream"): Scope.READ, ("POST", "/stream/tickets"): Scope.READ}


@cache
def described() -> dict[str, Any]:
    answer = asyncio.run(Gateway().call("GET", "/api/v1/openapi.json", key=None))
    schema: dict[str, Any] = answer.json()
    return schema


def test_every_operation_names_its_scope() -> None:
    schema = described()
    named = {
        (method.upper(), path.removeprefix("/api/v1")): Scope(operation["security"][0]["HTTPBearer"][0])
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    }
    listed = {(method, path.replace(":path", "")): scope for (method, path), scope in SCOPES.items()}
    assert named == listed | STREAMS


def test_every_body_has_an_example_that_its_schema_takes() -> None:
    schema, seen = described(), 0
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in (body["content"]["application/json"] for body in bodies if "application/json" in str(body)):
                whole = body["schema"] | {"components": schema["components"]}
                wrong = [
                    error.message for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(body["example"])
                ]
                assert wrong == [], (method, path)
                seen += 1
    assert seen > 70


def test_every_parameter_says_what_it_is() -> None:
    for path, operations in described()["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                kind = parameter["schema"]
                told = (*kind.get("anyOf", ()), kind)
                bounds = {"pattern", "enum", "maximum", "maxLength", "format", "exclusiveMinimum", "minimum", "const"}
                bounded = any(bounds & part.keys() or part.get("type") == "boolean" or "$ref" in part for part in told)
                assert bounded or parameter["name"] == "prefer", (path, parameter)


async def test_problem_documents_name_the_kind_of_each_mistake() -> None:
    gateway = Gateway()
    cases: list[tuple[str, str, dict[str, Any], tuple[str, str]]] = [
        ("POST", "/decisions/generate", {"json": {}}, ("body.account_id", "missing")),
        ("GET", "/decisions/history?limit=0", {}, ("query.limit", "greater_than_equal")),
        ("GET", "/decisions/history?limits=1", {}, ("query.limits", "unknown_parameter")),
        ("GET", "/decisions/history?limit=1&limit=2", {}, ("query.limit", "repeated_parameter")),
        ("GET", "/accounts/a.b", {}, ("path.account_id", "string_pattern_mismatch")),
        ("POST", "/decisions/generate", {"content": "{}"}, ("body", "content_type")),
        ("POST", "/accounts", {"json": {"account": {}, "reason": "x"}}, ("body.account.account_id", "missing")),
        (
            "POST",
            "/strategies/custom",
            {"json": {"strategy": {}, "reason": "x"}},
            ("body.strategy.strategy_id", "missing"),
        ),
        ("POST", "/experiments", {"json": {"experiment": {}, "reason": "x"}}, ("body.experiment.name", "missing")),
        ("POST", "/strategies/validate", {"json": {}}, ("strategy_id", "missing")),
    ]
    for method, path, sent, wanted in cases:
        answer = (await gateway.call(method, f"/api/v1{path}", **sent)).json()
        assert (answer["errors"][0]["field"], answer["errors"][0]["code"]) == wanted


async def test_of_a_value_that_does_not_parse_every_field_is_told() -> None:
    answer = await Gateway().call("POST", "/api/v1/accounts", json={"account": {"account_id": "a"}, "reason": "x"})
    told = {error["field"]: error["code"] for error in answer.json()["errors"]}
    assert told.keys() >= {f"body.account.{name}" for name in ("name", "strategy_id", "initial_balance")}
    assert set(told.values()) == {"missing"}


LOOKS = {"decisions/validate", "strategies/validate", "strategies/{strategy_id}/preview", "strategies/compare"}
ALWAYS_ONCE = {"alerts/{alert_id}/acknowledge"}  # the first word stays
EACH_ANOTHER = {"stream/tickets", "sign-in", "sign-in/tickets"}  # what is shown once


async def test_every_post_that_starts_or_changes_something_takes_an_idempotency_key() -> None:
    described = (await Gateway().call("GET", "/api/v1/openapi.json")).json()
    posts = {path.removeprefix("/api/v1/"): ways["post"] for path, ways in described["paths"].items() if "post" in ways}
    taking = {
        path
        for path, post in posts.items()
        if any(parameter["name"] == "idempotency-key" for parameter in post.get("parameters", ()))
    }
    assert posts.keys() - taking == LOOKS | ALWAYS_ONCE | EACH_ANOTHER


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"])
async def test_the_page_of_the_api_is_served_from_here(path: str) -> None:
    answer = await Gateway().call("GET", path, key=None)
    assert answer.status_code == 200
    assert len(answer.content) > 500


async def test_the_page_of_the_api_names_no_other_host() -> None:
    answer = await Gateway().call("GET", "/docs", key=None)
    assert URL.findall(answer.text) == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]
