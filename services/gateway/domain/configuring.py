"""Bodies of the routes about strategies and accounts, and how a refused change leaves."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from libs.schemas.account import Account
from libs.schemas.base import AccountId, StrategyId
from libs.schemas.strategy import TradingStrategy
from libs.schemas.strict import refuse, unknown_names
from services.gateway.domain.problems import FieldProblem, Refusal, RequestRefused, invalid

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
IfMatch = Annotated[
    str | None,
    Field(
        max_length=100,
        description="the version that is changed, as the ETag shows it",
        json_schema_extra={"pattern": r'^(\*|(W/)?"?[1-9][0-9]{0,8}"?)$'},
    ),
]
_ETAG = re.compile(r'(?:W/)?"?([1-9]\d{0,8})"?')
_STATUS = {
    "missing": HTTPStatus.NOT_FOUND,
    "version": HTTPStatus.PRECONDITION_FAILED,
    "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "template": HTTPStatus.UNPROCESSABLE_ENTITY,
}


def as_text(value: object) -> object:
    """Accounts may be called by a number, and clients then send one."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


AccountRef = Annotated[AccountId, BeforeValidator(as_text, json_schema_input_type=AccountId | int)]


class Body(BaseModel):
    """Unknown fields are refused: they are typing mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        refuse(cls, unknown_names(cls, value))
        return value


def as_it_is(value: object) -> object:
    return value


AccountFields = Annotated[dict[str, Any], BeforeValidator(as_it_is, json_schema_input_type=Account)]
StrategyFields = Annotated[dict[str, Any], BeforeValidator(as_it_is, json_schema_input_type=TradingStrategy)]


class NewStrategyBody(Body):
    """A strategy to store; why."""

    strategy: StrategyFields
    reason: Reason


class NewAccountBody(Body):
    """An account to make; why."""

    account: AccountFields
    reason: Reason


class StrategyBody(Body):
    """The fields of a strategy to change; why."""

    strategy: dict[str, Any]
    reason: Reason


class AccountBody(Body):
    """The fields of an account to change; why."""

    account: dict[str, Any]
    reason: Reason


class SwitchBody(Body):
    """Without a reason the name of the key stands for it."""

    strategy_id: StrategyId
    reason: Reason | None = None


class PreviewBody(Body):
    """With `account_id` as for that account, with `strategy` as if it were stored."""

    account_id: AccountRef | None = None
    strategy: StrategyFields | None = None


class StrategySummary(BaseModel):
    strategy_id: str
    strategy_name: str
    strategy_type: str
    description: str
    timeframe_preference: tuple[str, ...]
    is_active: bool
    version: int
    accounts: list[str] = Field(description="the accounts of this key that have it")


class StrategyList(BaseModel):
    items: list[StrategySummary]


class StrategyVersions(BaseModel):
    """Newest first."""

    items: list[TradingStrategy]


class Checked(BaseModel):
    """What is wrong with a strategy; empty when it may be stored."""

    valid: bool
    errors: list[FieldProblem]


class Previewed(BaseModel):
    """A template as a model would read it; `estimated_tokens` is a quarter of the characters."""

    strategy_id: str
    version: int
    text: str
    characters: int
    estimated_tokens: int
    context_id: str = Field(description="`sample` for a made-up market")


class StrategyAssignment(BaseModel):
    strategy_id: str
    account_version: int
    who: str
    why: str
    at: datetime


class Assignments(BaseModel):
    """The present strategy and how it came to be, newest first."""

    account_id: str
    strategy_id: str
    history: list[StrategyAssignment]


class ChangedAccount(BaseModel):
    """`warnings` did not hinder the change."""

    account: Account
    warnings: tuple[str, ...] = ()


def version_of(if_match: str | None) -> int | None:
    """The version that an If-Match names; None where there is none, or `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise invalid("header.If-Match", 'name one version, such as If-Match: "3"')
    return int(found[1])


def refusal_of(why: str, message: str, errors: tuple[FieldProblem, ...] = ()) -> RequestRefused:
    """A refused change of configuration as a problem."""
    slug = "not-found" if why == "missing" else f"config-{why}".replace("_", "-")
    return RequestRefused(Refusal(_STATUS.get(why, HTTPStatus.CONFLICT), slug, message, errors))
