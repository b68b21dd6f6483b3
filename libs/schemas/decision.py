"""Decisions: what a model proposes and what each call cost. What the rules say of it: `verdict.py`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from libs.schemas.base import (
    AccountId,
    Id,
    LongText,
    Message,
    ModelOutput,
    Name,
    NonNegative,
    Percent,
    Price,
    ShortText,
    StrategyId,
    Symbol,
    Text,
    Utc,
    Wire,
)
from libs.schemas.reasons import AbstainReason

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
    """What the model wants of one asset. `allocation_usd` is margin committed: notional = allocation × leverage.

    `confidence` ranks entries against each other: they need one, nothing else does.
    """

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
    confidence: Percent | None = None
    risk_level: RiskLevel
    key_factors: Annotated[tuple[ShortText, ...], Field(max_length=5)] | None = None

    @model_validator(mode="after")
    def _ranked(self) -> Self:
        if self.action in ENTRY_ACTIONS and self.confidence is None:
            raise ValueError("confidence: a buy or sell needs one")
        return self


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


CallEnd = Literal[
    "answered", "auth", "credit", "not_found", "policy", "rate_limited", "timeout", "unavailable", "refused",
    "truncated", "empty", "invalid",
]  # fmt: skip


class ModelCall(Wire):
    """One call of a model as it was made. Unknown cost is null, never 0; `refused` says that it was turned down and
    costs nothing for sure.

    `notes`: what was understood of the answer rather than written in it, which assets were dropped, what the prompt was
    shortened by, and which of the provider's figures were not believed. `called_at`: wall time, by whose UTC days
    budgets and usage count. `prompt_tokens` were counted before the call, by one tokenizer for all models. `ended` says
    how the call ended before anybody read its text.
    """

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
    cost_source: Literal["provider", "catalogue", "refused", "unknown"] = "unknown"
    latency_ms: NonNegative
    attempt: int = Field(ge=1)
    outcome: CallOutcome
    ended: CallEnd | None = None
    prompt_tokens: int | None = Field(default=None, ge=0)
    error: Text | None = None
    notes: tuple[ShortText, ...] = ()
    called_at: Utc | None = None
    cached: bool = False  # read from what an earlier delivery has paid for; its cost is still that of the one call


class Arm(Wire):
    """The arm of an experiment; the live arm outside any experiment is `live`."""

    experiment: Name | None = None
    name: Name = "live"
    shadow: bool = False


LIVE = Arm()


PairKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}\|[A-Za-z0-9_-]{1,32}$")]


def pair_key(one: str, other: str) -> str:
    """The key of a pair of symbols: in alphabetical order, joined by `|`."""
    return f"{one}|{other}" if one < other else f"{other}|{one}"


class AssetFacts(Wire):
    """What the rules need to know of one asset's market. Mark in quote currency.

    `atr_percent` is ATR 14 of `interval` in percent of the price, `long_atr_percent` that of `long_interval`. Sizes at
    the touch and the volume of a minute are in base units; null where the newest tick does not tell. `funding_rate` is
    a fraction of notional per `funding_interval_hours`, 8 where that is not known.
    """

    mark: Price
    last: Price
    bid: Price | None = None
    ask: Price | None = None
    bid_size: NonNegative | None = None
    ask_size: NonNegative | None = None
    minute_volume: NonNegative | None = None
    atr_percent: NonNegative | None = None
    long_atr_percent: NonNegative | None = None
    age_seconds: float = Field(ge=0)
    stale: bool = False
    has_indicators: bool = True
    funding_rate: float | None = None
    next_funding_time: Utc | None = None
    funding_interval_hours: float | None = Field(default=None, gt=0, le=24)


class Facts(Wire):
    """The market as a decision saw it (proposal) or as the rules saw it (verdict).

    `correlated` says of a pair (`pair_key`) whether it moves together; the rules take an absent pair as correlated.
    """

    assets: dict[Symbol, AssetFacts]
    correlations: dict[str, float] | None = None
    correlated: dict[PairKey, bool] | None = None
    account_version: int = Field(ge=0)
    as_of: Utc

    def newer_than(self, ticks: Mapping[str, datetime]) -> bool:
        """Whether one of these newest ticks (event times by symbol) is over a second older than the one seen here.

        Whoever holds such a tick reads the market more slowly than the maker of these facts and has to wait.
        """
        return any(
            self.as_of - timedelta(seconds=asset.age_seconds) - ticks[symbol] > timedelta(seconds=1)
            for symbol, asset in self.assets.items()
            if symbol in ticks
        )


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
    not_asked: Annotated[tuple[ShortText, ...], Field(max_length=32)] = ()  # models of the chain passed over, and why
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
    session: Name | None = None  # the run of the workers that made it, where they were told its name

    @model_validator(mode="after")
    def _status_matches(self) -> Self:
        if (self.status == "proposed") != (self.decision is not None):
            raise ValueError("a proposed status has a decision, an abstained one has none")
        if (self.status == "abstained") != (self.abstain_reason is not None):
            raise ValueError("an abstained status has a reason, a proposed one has none")
        return self
