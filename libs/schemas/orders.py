"""Order intents, plans, and the events of orders and positions."""

from decimal import Decimal
from typing import ClassVar, Literal

from pydantic import Field

from libs.schemas.account import ControlRequested, Leg, OrderType, Position, Reservation, Side, TimeInForce
from libs.schemas.base import (
    AccountId,
    ClientOrderId,
    DecimalPrice,
    Id,
    Message,
    Money,
    Name,
    Quantity,
    ShortText,
    StrategyId,
    Symbol,
    Utc,
    Wire,
)
from libs.schemas.decision import TradingDecision
from libs.schemas.reasons import OrderReason
from libs.schemas.strategy import OrderPreference
from libs.schemas.verdict import AssetVerdict

IntentState = Literal[
    "new", "submitting", "unknown", "open", "partially_filled", "filled", "rejected", "canceled", "expired"
]
TERMINAL_STATES: frozenset[str] = frozenset({"filled", "rejected", "canceled", "expired"})


class OrderIntent(Wire):
    """One order that we mean to have at the venue, stored before it is sent."""

    client_order_id: ClientOrderId
    decision_id: Id
    account_id: AccountId
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Quantity
    price: DecimalPrice | None = None
    stop_price: DecimalPrice | None = None
    time_in_force: TimeInForce
    reduce_only: bool
    leg: Leg
    seq: int = Field(ge=0)
    origin: Id
    position_id: Id | None = None
    expires_at: Utc | None = None
    state: IntentState = "new"
    venue_order_id: Name | None = None
    state_times: dict[IntentState, Utc] = {}


class OrderPlan(Wire):
    """All that one decision makes of an account, stored with its intents in one write (`_id` = decision id).

    Or what an act by hand does: then it is named after its `control`, there is no decision, and `position` is the one
    that it is about, as it was before.
    """

    plan_id: Id
    account_id: AccountId
    decision: TradingDecision | None
    verdicts: tuple[AssetVerdict, ...]
    final_verdicts: tuple[AssetVerdict, ...]
    control: ControlRequested | None = None
    position: Position | None = None
    intents: tuple[OrderIntent, ...]
    reservation: dict[Symbol, Reservation] = {}
    state: Literal["stored", "done"]
    account_version: int = Field(ge=0)
    correlation_id: Id
    strategy_id: StrategyId | None = None
    planned_at: Utc
    valid_until: Utc | None = None
    order_preference: OrderPreference = "any"
    max_hold_minutes: int | None = None


class Fill(Wire):
    """One execution. `liquidity` is maker for what rested, taker for what matched at once; fee in quote currency."""

    fill_id: Name
    price: DecimalPrice
    quantity: Quantity
    fee: Money
    liquidity: Literal["maker", "taker"]
    realized_pnl: Money


OrderKind = Literal["placed", "filled", "rejected", "canceled", "denied"]
PositionKind = Literal["opened", "changed", "closed", "liquidated"]


class OrderEvent(Message):
    """`order.<kind>.<account>`: the intent after the change, and the fill when there is one."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("event_id",)

    event_id: Id
    kind: OrderKind
    account_id: AccountId
    account_version: int = Field(ge=0)
    intent: OrderIntent
    fill: Fill | None = None
    reason: OrderReason | None = None
    detail: ShortText = ""
    decision_id: Id
    correlation_id: Id
    at: Utc


class PositionEvent(Message):
    """`position.<kind>.<account>`: the position before and after, and what the change did to the wallet.

    The wallet moves by realized_pnl − fee + funding + insolvency: the last is what the position lost beyond what it
    could lose, and the venue bore. Funding of a position that is gone by now has neither before nor after, and says
    when that one was opened.
    """

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("event_id",)

    event_id: Id
    kind: PositionKind
    account_id: AccountId
    account_version: int = Field(ge=0)
    symbol: Symbol
    before: Position | None = None
    after: Position | None = None
    cause: OrderReason
    client_order_id: ClientOrderId | None = None
    realized_pnl: Money
    fee: Money
    funding: Money
    insolvency: Money = Decimal(0)
    opened_at: Utc | None = None
    wallet_balance: Money
    equity: Money
    decision_id: Id
    correlation_id: Id
    at: Utc
