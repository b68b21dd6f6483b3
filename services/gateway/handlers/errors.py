"""Every error leaves as a problem document."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from libs.runtime.errors import Unavailable
from services.gateway.domain.problems import MEDIA_TYPE, Away, FieldProblem, Refusal, RequestRefused, away, wrong_fields
from services.gateway.handlers.edge import TOO_LARGE, problem_response

_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_CODES = (400, 401, 403, 404, 405, 408, 409, 412, 413, 421, 422, 429, 500, 503)
PROBLEMS: dict[int | str, dict[str, Any]] = {
    # By name, not as a model: of a model FastAPI would build a reader for each of these answers of each route, half of
    # the gateway's start. The description (description.py) holds what the name stands for.
    code: {"content": {MEDIA_TYPE: {"schema": _SCHEMA}}, "description": HTTPStatus(code).phrase}
    for code in _CODES
}
_FAULT = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "a fault of ours; report it with the request id of this answer"
)
_TOO_DEEP = Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "body: it is nested too deeply")


def install(app: FastAPI, methods: Callable[[str], list[str]]) -> None:
    """Register a handler for every kind of error; `methods` are those of a path."""

    def answer(request: Request, refusal: Refusal) -> Response:
        return problem_response(refusal, request.scope)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestRefused)  # noqa: S101 - narrows for the type checker, as registered below
        return answer(request, error.refusal)

    async def gone(request: Request, error: Exception) -> Response:
        assert isinstance(error, Away)  # noqa: S101
        return answer(request, away(error))

    async def unavailable(request: Request, error: Exception) -> Response:
        assert isinstance(error, Unavailable)  # noqa: S101
        return answer(request, away(Away("NATS", unsure=error.unsure)))

    async def bad_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return answer(request, _invalid(error, request.headers.get("content-type", "none")))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return answer(request, _http(error, methods(request.url.path)))

    async def deep(request: Request, error: Exception) -> Response:
        return answer(request, _TOO_DEEP)

    async def fault(request: Request, error: Exception) -> Response:
        return answer(request, _FAULT)

    app.add_exception_handler(RequestRefused, refused)
    app.add_exception_handler(Away, gone)
    app.add_exception_handler(Unavailable, unavailable)
    app.add_exception_handler(RequestValidationError, bad_request)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RecursionError, deep)
    app.add_exception_handler(Exception, fault)


def _invalid(error: RequestValidationError, content_type: str) -> Refusal:
    fields = wrong_fields(error.errors())
    if fields and fields[0].field == "body" and "json" not in content_type:
        said = f"its Content-Type is {content_type[:100]}; send JSON with Content-Type: application/json"
        fields = (FieldProblem(field="body", message=said, code="content_type"),)
    detail = "; ".join(f"{wrong.field}: {wrong.message}" for wrong in fields[:5])
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, fields)


def _http(error: HTTPException, methods: list[str]) -> Refusal:
    """The router names the methods of the first route that fits alone."""
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and methods:
        allowed, status = ", ".join(methods), HTTPStatus.METHOD_NOT_ALLOWED
        return Refusal(status, "method-not-allowed", f"this path takes {allowed}", headers={"Allow": allowed})
    status = HTTPStatus(error.status_code)
    if status is TOO_LARGE.status:
        return TOO_LARGE
    slug = {404: "no-such-path", 405: "method-not-allowed"}.get(status.value, status.phrase.lower().replace(" ", "-"))
    return Refusal(status, slug, str(error.detail), headers=dict(error.headers or {}))
