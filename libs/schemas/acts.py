"""Acts by hand: what a person does to a position or a resting entry. None of them opens or enlarges anything."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from libs.schemas.base import ClientOrderId, DecimalPrice, Id, Number, Quantity, ShortText, Symbol, Utc, Wire

Share = Annotated[Number, Field(gt=0, le=1)]
KEPT_ACTS = 8


class _OfPosition(Wire):
    """`opened_at` names the position that is meant: one that was opened later is another one. None: any."""

    symbol: Symbol
    opened_at: Utc | None = None


class CloseAct(_OfPosition):
    """Close a position at market, or a share of it (0.5 is half). With all of it go the entries that rest in it."""

    kind: Literal["close"] = "close"
    share: Share = Decimal(1)


class StopAct(_OfPosition):
    """Move the stop of a position towards the price."""

    kind: Literal["stop"] = "stop"
    price: DecimalPrice


class TargetAct(_OfPosition):
    """Set the target of a position, in the place of the one that it has."""

    kind: Literal["target"] = "target"
    price: DecimalPrice


class CancelAct(Wire):
    """Cancel a resting entry."""

    kind: Literal["cancel"] = "cancel"
    client_order_id: ClientOrderId


Act = Annotated[CloseAct | StopAct | TargetAct | CancelAct, Field(discriminator="kind")]
ActKind = Literal["close", "stop", "target", "cancel"]


class ActReason(StrEnum):
    """Why an act was refused: by us, but for `venue_refused`."""

    NO_POSITION = "no_position"
    OTHER_POSITION = "other_position"
    NO_ORDER = "no_order"
    NOT_AN_ENTRY = "not_an_entry"
    NO_PRICE = "no_price"
    NO_RULES = "no_rules"
    STOP_WRONG_SIDE = "stop_wrong_side"
    STOP_MOVED_AWAY = "stop_moved_away"
    STOP_BEYOND_LIQUIDATION = "stop_beyond_liquidation"
    TARGET_WRONG_SIDE = "target_wrong_side"
    TARGET_ABSURD = "target_absurd"
    VENUE_REFUSED = "venue_refused"


class ActOutcome(Wire):
    """What became of an act: `done`, `sent` (the venue has it, or will), or `refused` with its reason.

    `orders` are those that it was carried out with, `quantity` the size of the position before it.
    """

    control_id: Id
    kind: ActKind
    symbol: Symbol | None = None
    result: Literal["done", "sent", "refused"]
    reason: ActReason | None = None
    message: ShortText
    orders: tuple[ClientOrderId, ...] = ()
    quantity: Quantity | None = None
    at: Utc


def act_in_words(act: Act) -> str:
    """For people."""
    match act:
        case CloseAct(symbol=symbol, share=share):
            return f"close {symbol}" if share == 1 else f"close {share:f} of {symbol}"
        case StopAct(symbol=symbol, price=price):
            return f"stop of {symbol} at {price:f}"
        case TargetAct(symbol=symbol, price=price):
            return f"target of {symbol} at {price:f}"
        case CancelAct(client_order_id=order):
            return f"cancel {order}"
