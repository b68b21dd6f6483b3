"""Parameters that several routes have, each of its type, and the refusal of those that a route does not have."""

import re
from datetime import datetime
from typing import Annotated

from fastapi import Header, Path, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BeforeValidator

from libs.schemas.base import AccountId, Id, StrategyId, Symbol
from libs.schemas.experiment import ExperimentName
from libs.schemas.strict import unknown_in
from services.gateway.domain.configuring import IfMatch
from services.gateway.domain.problems import invalid

_TIME = re.compile(r"\d{4}-\d\d-\d\d")
AccountPath = Annotated[AccountId, Path(description="an account")]
StrategyPath = Annotated[StrategyId, Path(description="a strategy")]
SymbolPath = Annotated[Symbol, Path(description="a symbol, such as BTCUSDT")]
ExperimentPath = Annotated[ExperimentName, Path(description="an experiment")]
DecisionPath = Annotated[Id, Path(description="a decision")]
AlertPath = Annotated[Id, Path(description="an alert")]
KeyPath = Annotated[str, Path(pattern=r"^key-[0-9a-f]{16}$", description="the public id of a key")]


def _written(value: object) -> object:
    """A number is no time: of seconds or milliseconds, and since when, it does not say."""
    if isinstance(value, str) and not _TIME.match(value):
        raise ValueError("write a time as 2026-11-20T12:00:00Z")
    return value


Time = Annotated[datetime, BeforeValidator(_written)]
Match = Annotated[IfMatch, Header(alias="If-Match")]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="a repetition within 24 h is the same request, carried out once"),
]


async def known_parameters(request: Request) -> None:
    """Refuses a query parameter that the route does not have, and one that is given twice: both are mistakes, and
    what they were meant to narrow would be answered whole."""
    route = request.scope["route"]
    known = tuple(_queries(route.dependant)) if isinstance(route, APIRoute) else ()
    given = [name for name, _ in request.query_params.multi_items()]
    if unknown := unknown_in(dict.fromkeys(given), known):
        said = str(unknown[0]).replace("fields:", "parameters:").replace("no such field", "no such parameter")
        raise invalid(f"query.{unknown[0].path[-1]}", said, "unknown_parameter")
    if twice := next((name for name in known if given.count(name) > 1), None):
        raise invalid(f"query.{twice}", "it is given more than once", "repeated_parameter")


def _queries(dependant: Dependant) -> list[str]:
    """Names of the parameters of a route and of what it depends on."""
    return [
        *(str(field.alias) for field in dependant.query_params),
        *(name for inner in dependant.dependencies for name in _queries(inner)),
    ]
