"""Verdicts: what the rules say of a decision, and the events in which a request ends."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from libs.schemas.account import OrderType, Side, TimeInForce
from libs.schemas.base import (
    AccountId,
    DecimalPrice,
    Id,
    Leverage,
    Message,
    Name,
    NonNegative,
    NonNegativeMoney,
    ShortText,
    Symbol,
    Text,
    Utc,
    Wire,
)
from libs.schemas.decision import LIVE, Action, Arm, Facts, StrategyRef, TradingDecision
from libs.schemas.reasons import AbstainReason, Reason, RejectReason


class Receipt(Wire):
    """What one rule did to one asset; sizes are notional in quote currency unless the rule says else."""

    rule: Name
    severity: Literal["info", "warning", "error"]
    reason: Reason
    message: ShortText
    before: float | str | None = None
    after: float | str | None = None


class Rung(Wire):
    price: DecimalPrice
    quantity: Annotated[Decimal, Field(gt=0)]


class Instruction(Wire):
    """The sized instruction that a verdict ends in. Quantities in base units, notional and margin in quote currency."""

    asset: Symbol
    action: Action
    side: Side | None = None
    quantity: NonNegativeMoney | None = None
    notional: NonNegativeMoney | None = None
    margin: NonNegativeMoney | None = None
    leverage: Leverage | None = None
    type: OrderType | None = None
    time_in_force: TimeInForce | None = None
    limit_price: DecimalPrice | None = None
    entry: DecimalPrice | None = None
    stop: DecimalPrice | None = None
    target: DecimalPrice | None = None
    rungs: tuple[Rung, ...] = ()
    cancel_stop: bool = False
    cancel_target: bool = False
    reduce_only: bool = False
    exit_plan: Text | None = None
    invalidation: Text | None = None


class AssetVerdict(Wire):
    """The verdict on one asset. `final` is null when it is denied or a hold."""

    asset: Symbol
    verdict: Literal["accepted", "clamped", "denied"]
    action: Action
    final: Instruction | None = None
    receipts: tuple[Receipt, ...] = ()


class Judged(Message):
    """What the three terminal events of a judged decision share.

    `facts` is the market that it was judged on, `proposed` the market that it was decided on.
    """

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("decision_id",)

    decision_id: Id
    context_id: Id
    request_id: Id
    account_id: AccountId
    arm: Arm = LIVE
    dry_run: bool = False
    account_version: int = Field(ge=0)
    correlation_id: Id
    expires_at: Utc
    decision: TradingDecision
    facts: Facts
    proposed: Facts | None = None
    strategy: StrategyRef
    verdicts: tuple[AssetVerdict, ...]
    portfolio_receipts: tuple[Receipt, ...] = ()
    rules_checked: int = Field(ge=0)
    validation_time_ms: NonNegative
    prices_at_validation: dict[Symbol, float]
    validated_at: Utc


class DecisionValidated(Judged):
    """At least one asset to act on, or a considered hold."""

    status: Literal["accepted", "partial", "hold"]


class DecisionEvaluated(Judged):
    """Verdicts of a shadow arm or a dry run; never executed."""

    status: Literal["accepted", "partial", "hold", "denied"]


class DecisionRejected(Message):
    """A request that ended with nothing to execute, at whichever step."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("decision_id",)

    decision_id: Id
    request_id: Id
    account_id: AccountId
    context_id: Id
    arm: Arm = LIVE
    dry_run: bool = False
    correlation_id: Id
    reason: RejectReason
    abstain_reason: AbstainReason | None = None
    detail: Text = ""
    account_version: int | None = None
    decision: TradingDecision | None = None
    facts: Facts | None = None
    strategy: StrategyRef | None = None
    verdicts: tuple[AssetVerdict, ...] = ()
    portfolio_receipts: tuple[Receipt, ...] = ()
    rules_checked: int = Field(default=0, ge=0)
    validation_time_ms: NonNegative = 0.0
    prices_at_validation: dict[Symbol, float] = {}
    rejected_at: Utc
    expires_at: Utc | None = None


class DecisionAnswered(Message):
    """A request that an existing decision answers. `decision_id` is that of the decision it would have become."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("decision_id",)

    decision_id: Id
    request_id: Id
    account_id: AccountId
    context_id: Id
    answered_by: Id
    why: Literal["joined", "cached"]
    correlation_id: Id
    answered_at: Utc
