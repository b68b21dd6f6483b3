"""What a venue answers, as values. A venue that refuses an order is no exception, and neither is one that is silent."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum

from libs.schemas.account import Leg, MarginMode, OrderType, PositionSide, Side
from libs.schemas.orders import Fill, IntentState
from libs.schemas.reasons import OrderReason

ZERO = Decimal(0)


class Priority(IntEnum):
    """Which request goes first where a venue limits their number; lower is sooner."""

    PROTECT = 0
    EXIT = 1
    CANCEL = 2
    ENTRY = 3
    RECONCILE = 4


def priority(leg: Leg) -> Priority:
    """The priority of an order by what it is for."""
    if leg == "entry":
        return Priority.ENTRY
    return Priority.EXIT if leg == "exit" else Priority.PROTECT


@dataclass(frozen=True, slots=True)
class Placed:
    """The venue has the order. `filled` base units of it at `average` matched already, as far as the reply tells."""

    client_order_id: str
    venue_order_id: str | None = None
    state: IntentState = "open"
    filled: Decimal = ZERO
    average: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The venue knew the id already: this order was taken before, whatever became of it. Ask for it by its id."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue refuses the order. Nothing rests there."""

    client_order_id: str
    reason: OrderReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether the venue has the order: 5xx, 408, a time-out, a dropped connection.

    Asking for the id settles it; "not found" is final only from `settled_at` on: the end of the request's validity
    window plus the clocks' skew, in wall time.
    """

    client_order_id: str
    settled_at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NotSent:
    """The order did not reach the venue's engine (429, 418, no lease time left); it may be sent again.

    `retry_after_s` in wall seconds; None where no waiting helps (a ban, a missing credential).
    """

    client_order_id: str
    retry_after_s: float | None
    detail: str = ""


Reply = Placed | Exists | Rejected | Unknown | NotSent


@dataclass(frozen=True, slots=True)
class Canceled:
    """The order is gone from the venue. `found` is False where the venue did not have it any more."""

    client_order_id: str
    found: bool = True


CancelReply = Canceled | Unknown | NotSent


@dataclass(frozen=True, slots=True)
class OrderReport:
    """An order as the venue tells it. Quantities in base units, prices in quote currency, `at` of the last change."""

    client_order_id: str
    venue_order_id: str | None
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    filled: Decimal
    state: IntentState
    reduce_only: bool
    price: Decimal | None = None
    stop_price: Decimal | None = None
    average: Decimal | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PositionReport:
    """An open position as the venue tells it; `margin` is the isolated wallet, None with cross margin."""

    symbol: str
    side: PositionSide
    quantity: Decimal
    entry_price: Decimal
    leverage: Decimal
    margin_mode: MarginMode
    margin: Decimal | None = None
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Balances:
    """Quote currency: the wallet (margins included, unrealised profit not), and what is free for new orders."""

    wallet: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class Fees:
    """Basis points of the notional; a maker fee below 0 is a rebate."""

    maker_bps: Decimal
    taker_bps: Decimal


@dataclass(frozen=True, slots=True)
class FundingReport:
    """The coming funding: a fraction of the notional at `next_time`, every `interval_hours`."""

    symbol: str
    rate: Decimal
    next_time: datetime
    interval_hours: Decimal
    mark_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FillReport:
    """One execution. `fill_id` is the venue's own: the same one may be told twice."""

    client_order_id: str
    symbol: str
    side: Side
    fill: Fill
    at: datetime


@dataclass(frozen=True, slots=True)
class FundingPaid:
    """What the venue booked at a boundary; negative where the holder paid."""

    symbol: str
    amount: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """The stream was interrupted: what happened from `since` on has to be asked for."""

    since: datetime


VenueEvent = OrderReport | FillReport | PositionReport | Balances | FundingPaid | Gap
