"""Problem documents (RFC 9457): the one shape of every error of the API."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One thing that is wrong with a request: where (a dotted path), what in words, and which kind of mistake it is."""

    field: str
    message: str
    code: str = Field(default="invalid", description="does not change: `missing`, `string_pattern_mismatch` …")


class Problem(BaseModel):
    """The body of every answer with a status from 400 on."""

    type: str = Field(description="a URN that names the kind of problem and does not change")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str = Field(description="the path that was asked for")
    request_id: str = Field(description="the X-Request-Id of this answer; name it when you report the problem")
    errors: list[FieldProblem] = []


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused, before it is known where it came from. `slug` ends the problem's URN."""

    status: HTTPStatus
    slug: str
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)

    def problem(self, instance: str, request_id: str) -> Problem:
        return Problem(
            type=f"urn:perpetua:problem:{self.slug}",
            title=self.status.phrase,
            status=self.status.value,
            detail=printable(self.detail),
            instance=printable(instance),
            request_id=request_id,
            errors=[
                FieldProblem(field=printable(wrong.field), message=printable(wrong.message), code=wrong.code)
                for wrong in self.errors
            ],
        )


class RequestRefused(Exception):
    """Ends a request with a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


class Away(Exception):
    """A server that the gateway needs does not answer. `dependency` is its name as operators know it.

    `unsure`: what was asked for may have been stored, and may still happen.
    """

    def __init__(self, dependency: str, *, unsure: bool = False) -> None:
        super().__init__(f"{dependency} does not answer")
        self.dependency = dependency
        self.unsure = unsure


def not_found(what: str) -> RequestRefused:
    """Something is not there, or the key does not see it: the answer does not tell which."""
    return RequestRefused(Refusal(HTTPStatus.NOT_FOUND, "not-found", f"there is no {what} that this key sees"))


def invalid(field_name: str, message: str, code: str = "invalid") -> RequestRefused:
    wrong = FieldProblem(field=field_name, message=message, code=code)
    detail = f"{field_name}: {message}"
    return RequestRefused(Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, (wrong,)))


def wrong_fields(errors: Iterable[Mapping[str, Any]]) -> tuple[FieldProblem, ...]:
    """The errors of pydantic, each under its place in the request. A list of which an item is wrong is not too short
    besides: pydantic counts the others alone."""
    each = [
        FieldProblem(field=".".join(str(part) for part in e["loc"]), message=str(e["msg"]), code=str(e["type"]))
        for e in errors
    ]
    return tuple(
        wrong
        for wrong in each
        if wrong.code != "too_short" or not any(other.field.startswith(f"{wrong.field}.") for other in each)
    )


def away(error: Away, location: str | None = None) -> Refusal:
    """A server that the gateway needs does not answer: what that means for the request; `location` shows its end."""
    if not error.unsure:
        said = f"{error.dependency} does not answer; nothing was done, try again"
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "dependency-away", said, headers={"Retry-After": "2"})
    look = "look at Location later" if location else "look before you try again, or repeat it with its Idempotency-Key"
    said = f"{error.dependency} does not answer; what was asked for may still happen: {look}"
    headers = {"Retry-After": "2"} | ({"Location": location} if location else {})
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "may-still-happen", said, headers=headers)


def printable(text: str) -> str:
    """A text that came from outside, as JSON can carry it: half a surrogate pair is none."""
    return text.encode("utf-8", "replace").decode()
