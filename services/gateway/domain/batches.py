"""Several wishes in one request, each with an end of its own."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from libs.schemas.analytics import DecisionResult
from services.gateway.domain.configuring import as_it_is
from services.gateway.domain.problems import Problem, Refusal, RequestRefused, wrong_fields
from services.gateway.domain.requests import GenerateAccepted, GenerateRequest

MOST = 20
Wish = Annotated[dict[str, Any], BeforeValidator(as_it_is, json_schema_input_type=GenerateRequest)]
Wishes = Annotated[list[Wish], Field(min_length=1, max_length=MOST)]


class BatchItem(BaseModel):
    """What POST /decisions/generate would have answered: `status` is that answer's, `result` or `accepted` its body,
    `problem` that of a refusal."""

    status: int
    result: DecisionResult | None = None
    accepted: GenerateAccepted | None = None
    problem: Problem | None = None


class BatchAnswer(BaseModel):
    """In the order of the request."""

    items: list[BatchItem]


def wish_of(fields: dict[str, Any]) -> GenerateRequest:
    """Raises RequestRefused for what is none."""
    try:
        return GenerateRequest.model_validate(fields)
    except ValidationError as error:
        wrong = wrong_fields([{**e, "loc": ("body", *e["loc"])} for e in error.errors(include_url=False)])
        detail = "; ".join(f"{one.field}: {one.message}" for one in wrong[:5])
        raise RequestRefused(Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, wrong)) from error
