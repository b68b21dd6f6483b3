"""Bodies of the routes by which a person acts on a position or an entry."""

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field

from libs.schemas.account import Position
from libs.schemas.acts import Act, ActOutcome, Share
from libs.schemas.base import DecimalPrice, Utc
from services.gateway.domain.configuring import Body, Reason

Opened = Field(
    default=None,
    description="the position that is meant, by its `opened_at`; without it the one that is open now. One that was"
    " opened later is not touched",
)


class CloseBody(Body):
    """How much of the position: 1 is all of it, with the entries that rest in its symbol."""

    share: Share = Decimal(1)
    reason: Reason
    opened_at: Utc | None = Opened


class StopBody(Body):
    """The new stop; it may only move towards the price."""

    price: DecimalPrice
    reason: Reason
    opened_at: Utc | None = Opened


class TargetBody(Body):
    """The new target, ahead of the price."""

    price: DecimalPrice
    reason: Reason
    opened_at: Utc | None = Opened


class CancelBody(Body):
    """Why the entry goes."""

    reason: Reason


class ActTaken(BaseModel):
    """What was asked for, and what it has come to. `pending`: the account has not come to it yet; `sent`: the venue has
    not carried it out yet. Neither is lost."""

    control_id: str
    account_id: str
    act: Act
    result: Literal["done", "sent", "pending"]
    message: str
    orders: tuple[str, ...] = Field(description="the orders that it was carried out with")
    position: Position | None = Field(description="the position afterwards; null where there is none")


def taken(name: str, account_id: str, act: Act, outcome: ActOutcome | None, position: Position | None) -> ActTaken:
    """The answer for an act that was not refused."""
    result: Literal["done", "sent", "pending"] = "pending"
    message = "it is in the log and will be carried out; the audit trail and the account's state tell when it was"
    if outcome is not None and outcome.result != "refused":
        result, message = outcome.result, outcome.message
    return ActTaken(
        control_id=name,
        account_id=account_id,
        act=act,
        result=result,
        message=message,
        orders=outcome.orders if outcome else (),
        position=position,
    )
