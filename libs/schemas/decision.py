"""Decisions: what a model proposes, what each call cost, what the rules say of it."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from libs.schemas.account import OrderType, Side, TimeInForce
from libs.schemas.base import (
    AccountId,
    DecimalPrice,
    Id,
    Leverage,
    LongText,
    Message,
    ModelOutput,
    Name,
    NonNegative,
    NonNegativeMoney,
    Percent,
    Price,
    ShortText,
    StrategyId,
    Symbol,
    Text,
    Utc,
    Wire,
)
from libs.schemas.reasons import AbstainReason, Reason, RejectReason

Action = Literal["buy", "sell", "hold", "adjust_position", "close_position", "adjust_orders"]
RiskLevel = Literal["low", "medium", "high"]
ENTRY_ACTIONS = ("buy", "sell")


class PositionAdjustment(ModelOutput):
    """Add to or reduce an open position by `adjustment_amount_usd` of margin."""

    adjustment_type: Literal["increase", "decrease"]
    adjustment_amount_usd: Annotated[float, Field(gt=0, lt=1e12)]
    adjustment_percentage: Percent | None = None
    new_tp_price: Price | None = None
    new_sl_price: Price | None = None


class OrderAdjustment(ModelOutput):
    """Move or cancel the stop or the target of an open position."""

    adjust_tp: bool = False
    adjust_sl: bool = False
    cancel_tp: bool = False
    cancel_sl: bool = False
    new_tp_price: Price | None = None
    new_sl_price: Price | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not (self.adjust_tp or self.adjust_sl or self.cancel_tp or self.cancel_sl):
            raise ValueError("one of adjust_tp, adjust_sl, cancel_tp, cancel_sl must be true")
        if self.adjust_tp and self.cancel_tp:
            raise ValueError("adjust_tp and cancel_tp exclude each other")
        if self.adjust_sl and self.cancel_sl:
            raise ValueError("adjust_sl and cancel_sl exclude each other")
        if self.adjust_tp and self.new_tp_price is None:
            raise ValueError("adjust_tp needs new_tp_price")
        if self.adjust_sl and self.new_sl_price is None:
            raise ValueError("adjust_sl needs new_sl_price")
        return self


class AssetDecision(ModelOutput):
    """What the model wants of one asset. `allocation_usd` is margin committed: notional = allocation × leverage."""

    asset: Symbol
    action: Action
    allocation_usd: Annotated[float, Field(ge=0, lt=1e12)] = 0.0
    leverage: Annotated[float, Field(ge=1, le=125)] | None = None
    position_adjustment: PositionAdjustment | None = None
    order_adjustment: OrderAdjustment | None = None
    tp_price: Price | None = None
    sl_price: Price | None = None
    limit_price: Price | None = None
    exit_plan: Text
    invalidation: Text | None = None
    rationale: Text
    confidence: Percent
    risk_level: RiskLevel
    key_factors: Annotated[tuple[ShortText, ...], Field(max_length=5)] | None = None


class TradingDecision(ModelOutput):
    """One portfolio decision: at most one entry per asset is meant, at most ten assets."""

    decisions: Annotated[tuple[AssetDecision, ...], Field(min_length=1, max_length=10)]
    portfolio_rationale: Text
    total_allocation_usd: Annotated[float, Field(ge=0, lt=1e12)]
    portfolio_risk_level: RiskLevel


class TokenUsage(Wire):
    prompt: int = Field(default=0, ge=0)
    completion: int = Field(default=0, ge=0)
    reasoning: int = Field(default=0, ge=0)
    cached: int = Field(default=0, ge=0)


CallOutcome = Literal[
    "ok", "repaired", "invalid", "refused", "timeout", "rate_limited", "auth", "unavailable", "budget"
]


class ModelCall(Wire):
    """One call of a model as it was made. Unknown cost is null, never 0."""

    model_requested: Name
    model_answered: Name | None = None
    provider: Name
    prompt_version: Name
    prompt_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    system_prompt: LongText
    user_prompt: LongText
    raw_response: LongText | None = None
    reasoning: LongText | None = None
    params: dict[str, str | int | float | bool | None] = {}
    usage: TokenUsage | None = None
    cost_usd: NonNegative | None = None
    cost_source: Literal["provider", "catalogue", "unknown"] = "unknown"
    latency_ms: NonNegative
    attempt: int = Field(ge=1)
    outcome: CallOutcome
    error: Text | None = None
    cached: bool = False


class Arm(Wire):
    """The arm of an experiment; the live arm outside any experiment is `live`."""

    experiment: Name | None = None
    name: Name = "live"
    shadow: bool = False


LIVE = Arm()


class AssetFacts(Wire):
    """What the rules need to know of one asset's market. Mark in quote currency, `atr_percent` of `interval`."""

    mark: Price
    last: Price
    bid: Price | None = None
    ask: Price | None = None
    atr_percent: NonNegative | None = None
    age_seconds: float = Field(ge=0)
    stale: bool = False
    has_indicators: bool = True
    funding_rate: float | None = None
    next_funding_time: Utc | None = None


class Facts(Wire):
    """The market as a decision saw it (proposal) or as the rules saw it (verdict)."""

    assets: dict[Symbol, AssetFacts]
    correlations: dict[str, float] | None = None
    account_version: int = Field(ge=0)
    as_of: Utc


class Timing(Wire):
    """Wall-clock milliseconds of each step; null where the step did not run."""

    context: NonNegative | None = None
    model: NonNegative | None = None
    engine: NonNegative | None = None


class StrategyRef(Wire):
    id: StrategyId
    version: int = Field(ge=1)


class DecisionProposed(Message):
    """A proposal, or an explicit abstention. Never a made-up hold."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("decision_id",)

    decision_id: Id
    context_id: Id
    request_id: Id
    account_id: AccountId
    arm: Arm = LIVE
    status: Literal["proposed", "abstained"]
    abstain_reason: AbstainReason | None = None
    abstain_detail: Text | None = None
    decision: TradingDecision | None = None
    calls: tuple[ModelCall, ...] = ()
    context_ref: Id
    symbols: tuple[Symbol, ...]
    missing: tuple[Symbol, ...] = ()
    facts: Facts
    strategy: StrategyRef
    dry_run: bool = False
    correlation_id: Id
    proposed_at: Utc
    expires_at: Utc
    timing: Timing = Timing()

    @model_validator(mode="after")
    def _status_matches(self) -> Self:
        if (self.status == "proposed") != (self.decision is not None):
            raise ValueError("a proposed status has a decision, an abstained one has none")
        if (self.status == "abstained") != (self.abstain_reason is not None):
            raise ValueError("an abstained status has a reason, a proposed one has none")
        return self


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
    """What the three terminal events of a judged decision share."""

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
    """A request that an existing decision answers."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("request_id",)

    request_id: Id
    account_id: AccountId
    answered_by: Id
    why: Literal["joined", "cached"]
    correlation_id: Id
    answered_at: Utc
