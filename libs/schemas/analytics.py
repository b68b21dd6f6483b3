"""What readers ask for: results, outcomes, performance, usage, health and alerts."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from libs.schemas.base import (
    AccountId,
    ClientOrderId,
    DecimalPrice,
    Id,
    Message,
    Money,
    Name,
    NonNegative,
    NonNegativeMoney,
    Percent,
    ShortText,
    StrategyId,
    Symbol,
    Text,
    Utc,
    Wire,
)
from libs.schemas.decision import Action, TradingDecision
from libs.schemas.orders import IntentState
from libs.schemas.verdict import AssetVerdict


class ProcessingTime(Wire):
    """Wall-clock milliseconds; null where a step did not run or did not say."""

    context: NonNegative | None = None
    model: NonNegative | None = None
    engine: NonNegative | None = None
    total: NonNegative | None = None


class OrderSummary(Wire):
    """An order of a decision as the API shows it."""

    client_order_id: ClientOrderId
    symbol: Symbol
    side: Literal["buy", "sell"]
    type: Name
    leg: Name
    quantity: NonNegativeMoney
    price: DecimalPrice | None = None
    stop_price: DecimalPrice | None = None
    state: IntentState
    filled: NonNegativeMoney
    average_price: DecimalPrice | None = None
    fee: Money
    realized_pnl: Money


DecisionStatus = Literal["pending", "accepted", "partial", "hold", "denied", "rejected", "abstained", "evaluated"]


class DecisionResult(Message):
    """The answer to a request for a decision."""

    decision_id: Id
    request_id: Id
    account_id: AccountId
    status: DecisionStatus
    decision: TradingDecision | None = None
    verdicts: tuple[AssetVerdict, ...] = ()
    errors: tuple[ShortText, ...] = ()
    warnings: tuple[ShortText, ...] = ()
    orders: tuple[OrderSummary, ...] = ()
    model_used: Name | None = None
    api_cost: NonNegative | None = None
    processing_time_ms: ProcessingTime = ProcessingTime()
    cached: bool = False
    created_at: Utc


class AssetOutcome(Wire):
    """What became of one asset of a decision.

    `price` is that of its judgement. Returns are forward, in percent of it, signed by the action and before fees,
    whoever acted; only `buy` and `sell` have them. Null is not yet or, with its reason in `unknown`, never.

    The rest is of the positions that the decision opened: what they realised net of fees and funding, what the entries
    cost more than `price` (`slippage`), how the last one ended, and how far the market went for them (`mfe`, never
    below 0) and against them (`mae`, never above), in percent of the entry: once they are closed, where candles tell.
    """

    asset: Symbol
    action: Action
    price: float | None = None
    return_1h: float | None = None
    return_4h: float | None = None
    return_24h: float | None = None
    unknown: dict[Literal["1h", "4h", "24h"], ShortText] = {}
    realized_pnl: Money | None = None
    fees: Money | None = None
    funding: Money | None = None
    slippage: Money | None = None
    status: Literal["hit_tp", "hit_sl", "closed", "liquidated", "open"] | None = None
    mfe: float | None = None
    mae: float | None = None
    holding_seconds: float | None = Field(default=None, ge=0)


class DecisionOutcome(Message):
    """What became of a decision, per asset, since it was judged."""

    decision_id: Id
    account_id: AccountId
    assets: tuple[AssetOutcome, ...]
    judged_at: Utc


class StrategyPerformance(Message):
    """Over the closed trades of a period, net of fees and funding. Ratios are null where they are undefined.

    Without `strategy_id` it is the account's, whatever strategies it had; `return_pct` is of `opening_equity`.
    `max_drawdown` is from close to close; that of the account's state counts what is open too.
    """

    strategy_id: StrategyId | None = None
    account_id: AccountId | None = None
    period_start: Utc
    period_end: Utc
    trades: int = Field(ge=0)
    wins: int = Field(ge=0)
    losses: int = Field(ge=0)
    win_rate: Percent
    total_pnl: Money
    opening_equity: Money | None = None
    return_pct: float | None = None
    avg_win: Money | None = None
    max_win: Money | None = None
    avg_loss: Money | None = None
    max_loss: Money | None = None
    max_drawdown: NonNegativeMoney
    max_drawdown_pct: NonNegative
    sharpe: float | None = None
    sortino: float | None = None
    profit_factor: float | None = None
    avg_trade_duration_hours: NonNegative | None = None
    volume: NonNegativeMoney
    fees: Money
    funding: Money
    liquidations: int = Field(ge=0)
    model_cost: NonNegative | None = None


class CostLine(Wire):
    """Calls of one kind. `cost_usd` sums what is known and is null where nothing is; `unknown` calls are not in it."""

    calls: int = Field(ge=0)
    cost_usd: NonNegative | None = None
    unknown: int = Field(default=0, ge=0)
    tokens: int = Field(default=0, ge=0)


class UsageMetrics(Message):
    """Use of models over a period. Costs in dollars; null is unknown, and calls of unknown cost are counted.

    A call that came to nothing is a request too. Days are UTC days of market time.
    """

    period_start: Utc
    period_end: Utc
    requests: int = Field(ge=0)
    ok: int = Field(ge=0)
    failed: dict[Name, Annotated[int, Field(ge=0)]] = {}
    latency_p50_ms: NonNegative | None = None
    latency_p95_ms: NonNegative | None = None
    latency_p99_ms: NonNegative | None = None
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    reasoning_tokens: int = Field(default=0, ge=0)
    cached_tokens: int = Field(default=0, ge=0)
    tokens_unknown: int = Field(default=0, ge=0)
    cost_total: NonNegative | None = None
    cost_unknown: int = Field(default=0, ge=0)
    cost_of_shadows: NonNegative | None = None
    per_model: dict[Name, CostLine] = {}
    per_account: dict[Name, CostLine] = {}
    per_strategy: dict[Name, CostLine] = {}
    per_session: dict[Name, CostLine] = {}
    per_day: dict[Name, CostLine] = {}
    error_rate: float = Field(ge=0, le=1)


class ModelHealth(Wire):
    breaker: Literal["closed", "open", "half_open"]
    last_success: Utc | None = None
    consecutive_failures: int = Field(ge=0)
    latency_ms: NonNegative | None = None


class HealthStatus(Message):
    """Whether a service can do its work, per model and per dependency."""

    healthy: bool
    models: dict[Name, ModelHealth] = {}
    dependencies: dict[Name, Text] = {}


AlertKind = Literal[
    "performance_degradation",
    "risk_limit_exceeded",
    "consecutive_losses",
    "drawdown_limit",
    "abstain_rate",
    "budget",
    "auth",
    "model",
    "protection",
    "venue",
    "stale",
    "doubt",
    "reconcile",
    "dead_letter",
]


class Acknowledgement(Wire):
    by: Name
    at: Utc


class Alert(Message):
    """Something that a person should look at (`alert.raised.<account or global>`)."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("alert_id",)

    alert_id: Id
    strategy_id: StrategyId | None = None
    account_id: AccountId | None = None
    kind: AlertKind
    severity: Literal["info", "warning", "critical"]
    message: Text
    threshold: float | None = None
    value: float | None = None
    created_at: Utc
    acknowledged: Acknowledgement | None = None
