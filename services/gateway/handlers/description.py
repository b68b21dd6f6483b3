"""The OpenAPI description, completed: scopes, examples, problem documents under their media type."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from libs.records.keys import Scope
from services.gateway.domain.examples import example
from services.gateway.domain.problems import Problem

JSON = "application/json"


def completed(openapi: Callable[[], dict[str, Any]], routers: Iterable[APIRouter]) -> Callable[[], dict[str, Any]]:
    """The description as it is served; it is made once."""
    scopes = dict(_scopes(routers))
    done: list[dict[str, Any]] = []

    def described() -> dict[str, Any]:
        if not done:
            done.append(_complete(openapi(), scopes))
        return done[0]

    return described


def _complete(schema: dict[str, Any], scopes: Mapping[tuple[str, str], Scope]) -> dict[str, Any]:
    components = schema["components"]["schemas"]
    _with_problems(components)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _secured(operation, scopes[method.upper(), path])
            for answer in operation["responses"].values():
                _exemplified(answer.get("content", {}), components)
            if "requestBody" in operation:
                _exemplified(operation["requestBody"]["content"], components)
    return schema


def _with_problems(components: dict[str, Any]) -> None:
    problem = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    components |= {**problem.pop("$defs"), "Problem": problem}


def _secured(operation: dict[str, Any], scope: Scope) -> None:
    """OpenAPI 3.1: what a bearer key needs stands beside its scheme."""
    operation["security"] = [{"HTTPBearer": [scope.value]}]
    operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope.value}`.".strip()


def _exemplified(content: dict[str, Any], components: Mapping[str, Any]) -> None:
    body = content.get(JSON)
    if body is not None and "schema" in body:
        body["example"] = example(body["schema"], components)


def _scopes(routers: Iterable[APIRouter]) -> Iterator[tuple[tuple[str, str], Scope]]:
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                scope = next(_of(route.dependant))
                yield from (((method, route.path_format), scope) for method in route.methods or ())


def _of(dependant: Dependant) -> Iterator[Scope]:
    for inner in dependant.dependencies:
        scope = getattr(inner.call, "scope", None)
        if isinstance(scope, Scope):
            yield scope
        yield from _of(inner)
