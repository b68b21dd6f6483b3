"""Verdicts: what the rules say of a decision, and the events in which a request ends."""

from dataclasses import dataclass
from datetime import datetime
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
    Number,
    ShortText,
    Symbol,
    Text,
    Utc,
    Wire,
)
from libs.schemas.decision import LIVE, Action, Arm, DecisionProposed, Facts, StrategyRef, TradingDecision
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
    quantity: Annotated[Number, Field(gt=0)]


class Instruction(Wire):
    """The sized instruction that a verdict ends in. Quantities in base units, notional and margin in quote currency.

    The stop and the target of a ladder that nobody asked for follow what is filled: `stop_away` and `target_away` are
    fractions of its average. `stop` and `target` are where they are once every rung has filled.
    """

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
    stop_away: Annotated[Number, Field(gt=0)] | None = None
    target_away: Annotated[Number, Field(gt=0)] | None = None
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
    decision: TradingDecision


class DecisionEvaluated(Judged):
    """The end of a shadow arm or a dry run; never executed.

    A shadow arm ends in this whatever becomes of it: an abstention has no decision and its `abstain_reason`, one that
    could not be judged is `rejected` for a `reason`.
    """

    status: Literal["accepted", "partial", "hold", "denied", "abstained", "rejected"]
    decision: TradingDecision | None = None
    reason: RejectReason | None = None
    abstain_reason: AbstainReason | None = None
    detail: Text = ""


@dataclass(frozen=True, slots=True)
class NotJudged:
    """Why a shadow arm's decision has no verdicts."""

    reason: RejectReason
    detail: str
    abstain_reason: AbstainReason | None = None


def unjudged(proposal: DecisionProposed, why: NotJudged, now: datetime) -> DecisionEvaluated:
    """The end of a shadow arm's decision that nobody could judge."""
    same = set(DecisionEvaluated.model_fields) & set(DecisionProposed.model_fields) - {"status", "abstain_reason"}
    return DecisionEvaluated(
        **{name: getattr(proposal, name) for name in same},
        status="abstained" if why.reason is RejectReason.ABSTAINED else "rejected",
        reason=why.reason,
        abstain_reason=why.abstain_reason,
        detail=why.detail[:4_000],
        account_version=proposal.facts.account_version,
        proposed=proposal.facts,
        verdicts=(),
        rules_checked=0,
        validation_time_ms=0.0,
        prices_at_validation={symbol: asset.mark for symbol, asset in proposal.facts.assets.items()},
        validated_at=now,
    )


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
