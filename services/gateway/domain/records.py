"""What the API reads from the history: records, entries of lists, and pages."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from libs.schemas.account import Account, Position
from libs.schemas.analytics import DecisionOutcome, DecisionResult, DecisionStatus, OrderSummary, ProcessingTime
from libs.schemas.context import DecisionRequest, TradingContext, Trigger
from libs.schemas.decision import LIVE, Action, Arm, Facts, ModelCall, StrategyRef, Timing, TradingDecision
from libs.schemas.verdict import AssetVerdict, Receipt
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.summaries import complaints

RecordStatus = DecisionStatus | Literal["proposed"]
TERMINAL: frozenset[str] = frozenset({"accepted", "partial", "hold", "denied", "rejected", "abstained", "evaluated"})
MAX_PAGE = 500

Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="entries of a page")]
Cursor = Annotated[
    str,
    Field(
        max_length=400,
        description="`next` of the page before",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]{1,400}$"},
    ),
]


class HistoryEntry(BaseModel):
    """A decision in a list. `proposed` is a decision that the rules have not judged yet."""

    decision_id: str
    request_id: str
    account_id: str
    status: RecordStatus
    reason: str | None = None
    arm: Arm = LIVE
    dry_run: bool = False
    symbols: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    strategy: StrategyRef | None = None
    trigger: Trigger | None = None
    decision: TradingDecision | None = None
    model_used: str | None = None
    cost_usd: float | None = None
    created_at: datetime
    terminal_at: datetime | None = None


class FillRecord(BaseModel):
    """One execution; fee and profit in quote currency."""

    fill_id: str
    client_order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    leg: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    realized_pnl: Decimal
    liquidity: Literal["maker", "taker"]
    at: datetime


class OrderRecord(OrderSummary):
    """An order with the decision that it comes from."""

    account_id: str
    decision_id: str
    reason: str | None = None
    created_at: datetime
    updated_at: datetime | None = None


class TradeRecord(BaseModel):
    """A position from open to flat; `pnl` is net of fees and funding, in quote currency.

    `entry_price` is the average, `exit_price` that of what was left at the end, `ended_by` its cause. `mfe` and `mae`:
    how far the market went for it and against it, in percent of the entry; null where candles do not tell.
    """

    trade_id: str
    account_id: str
    symbol: str
    side: Literal["long", "short"] | None = None
    decision_id: str | None = None
    strategy_id: str | None = None
    pnl: Decimal
    fees: Decimal
    funding: Decimal
    volume: Decimal
    margin: Decimal
    liquidated: bool = False
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal | None = None
    exit_price: Decimal | None = None
    ended_by: str | None = None
    mfe: float | None = None
    mae: float | None = None


class AnsweredRequest(BaseModel):
    """A request that another one's decision answers: identical and in flight (`joined`), or made before (`cached`)."""

    request_id: str
    decision_id: str | None = None
    why: Literal["joined", "cached"]
    trigger: Trigger | None = None
    requested_at: datetime | None = None
    answered_at: datetime | None = None


class DecisionRecord(HistoryEntry):
    """The whole record: the request, the context, every call with its prompts, the verdicts, the orders and fills, and
    what became of it."""

    context_id: str | None = None
    correlation_id: str | None = None
    detail: str | None = None
    request: DecisionRequest | None = None
    context: TradingContext | None = None
    calls: tuple[ModelCall, ...] = ()
    missing: tuple[str, ...] = ()
    facts_at_proposal: Facts | None = None
    facts_at_validation: Facts | None = None
    verdicts: tuple[AssetVerdict, ...] = ()
    portfolio_receipts: tuple[Receipt, ...] = ()
    rules_checked: int | None = None
    timing: Timing = Timing()
    orders: tuple[OrderRecord, ...] = ()
    fills: tuple[FillRecord, ...] = ()
    outcome: DecisionOutcome | None = None
    answered: tuple[AnsweredRequest, ...] = ()


class EquityPoint(BaseModel):
    """Equity of an account at a market time, in quote currency."""

    at: datetime
    equity: Decimal
    wallet_balance: Decimal
    source: Literal["context", "position"]


class AuditEntry(BaseModel):
    """A change or a command: who, what, from what to what, and why."""

    event_id: str
    kind: Literal["change", "control"]
    who: str
    what: str
    subject: str
    before: str | None = None
    after: str | None = None
    why: str
    at: datetime


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """Newest first. `next` is the cursor of the page after this one, null on the last.

    A page may have fewer entries than were asked for, even none, and a `next`: then the search has been over much and
    goes on from there.
    """

    items: list[T]
    next: str | None = None


class PositionList(BaseModel):
    """`as_of` is the market time at which the executor wrote them."""

    items: list[Position]
    as_of: datetime


class AccountList(BaseModel):
    items: list[Account]


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """`accounts` None means all; `since` is included, `until` is not; the rest must match where it is given."""

    accounts: frozenset[str] | None
    symbol: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    status: str | None = None
    action: str | None = None
    strategy_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """`subjects` None means all; `since` is included, `until` is not; the rest must match where it is given."""

    subjects: frozenset[str] | None
    who: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """Entries of a list; `goes_on` is where an unfinished search was given up, None where it came to its end."""

    items: list[T]
    goes_on: PagePosition | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A page of a list: at most `limit` entries after a position."""

    limit: int
    after: PagePosition | None = None


def result_of_record(record: DecisionRecord, request_id: str) -> DecisionResult:
    """The answer to a client from the history. Raises ValueError for a decision that has not ended."""
    if record.status not in TERMINAL or record.status == "proposed":
        raise ValueError(f"{record.decision_id} is {record.status}, it has no result yet")
    errors, warnings = complaints(record.verdicts, record.portfolio_receipts)
    if record.reason is not None:
        errors = (f"{record.reason}: {record.detail}"[:500] if record.detail else record.reason, *errors)
    shown = {field: getattr(record.timing, field) for field in ("context", "model", "engine")}
    orders = tuple(OrderSummary.model_validate(order.model_dump()) for order in record.orders)
    return DecisionResult(
        decision_id=record.decision_id,
        request_id=request_id,
        account_id=record.account_id,
        status=record.status,
        decision=record.decision,
        verdicts=record.verdicts,
        errors=errors,
        warnings=warnings,
        orders=orders,
        model_used=record.model_used,
        api_cost=record.cost_usd,
        processing_time_ms=ProcessingTime(**shown),
        cached=request_id != record.request_id or any(call.cached for call in record.calls),
        created_at=record.created_at,
    )
