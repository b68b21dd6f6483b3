"""What a model is told: market data, indicators, the account, and what is missing."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from libs.schemas.account import (
    Condition,
    MarginMode,
    Mode,
    OpenOrder,
    PerformanceMetrics,
    PositionSide,
    TradeHistory,
    TradingState,
)
from libs.schemas.base import (
    AccountId,
    DecimalPrice,
    Id,
    Leverage,
    Message,
    ModelChain,
    Money,
    Name,
    NonNegative,
    NonNegativeMoney,
    Price,
    Quantity,
    ShortText,
    StrategyId,
    Symbol,
    Text,
    Timeframe,
    Utc,
    Wire,
)
from libs.schemas.decision import PairKey
from libs.schemas.experiment import Assignment
from libs.schemas.market import Hours, MarketNote, Rate
from libs.schemas.memory import PastDecision
from libs.schemas.reasons import ContextErrorCode
from libs.schemas.strategy import TradingStrategy

TriggerKind = Literal["interval", "price", "position", "funding", "api", "manual"]
Series = Annotated[tuple[float, ...], Field(max_length=10)]
MAX_PAST = 30


class Trigger(Wire):
    """What started a decision."""

    kind: TriggerKind
    detail: ShortText = ""


class DecisionRequest(Message):
    """A request for one decision. `cycle` is the trigger's identity; every id of the chain derives from it.

    Its context shows the account at `account_version` or later. A decision whose context is older than `facts_since`
    (market time) does not answer it.
    """

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("request_id",)

    request_id: Id
    account_id: AccountId
    cycle: Id
    symbols: Annotated[tuple[Symbol, ...], Field(min_length=1, max_length=10)] | None = None
    trigger: Trigger
    strategy_override: StrategyId | None = None
    model: ModelChain | None = None
    force_refresh: bool = False
    dry_run: bool = False
    account_version: int | None = Field(default=None, ge=0)
    facts_since: Utc | None = None
    requested_by: Name
    requested_at: Utc
    expires_at: Utc


class RequestOptions(Wire):
    """The part of a request that travels with its context."""

    request_id: Id
    model: ModelChain | None = None
    force_refresh: bool = False
    dry_run: bool = False
    strategy_override: StrategyId | None = None


class TechnicalIndicatorsSet(Wire):
    """The last 10 values of each indicator, oldest → newest, over closed candles; null where the warm-up is short.

    The newest is of the candle that closed at `as_of`. `high`, `low` and `close` are the candles' own.
    """

    timeframe: Timeframe
    high: Series | None = None
    low: Series | None = None
    close: Series | None = None
    ema_20: Series | None = None
    ema_50: Series | None = None
    macd: Series | None = None
    macd_signal: Series | None = None
    macd_hist: Series | None = None
    rsi_14: Series | None = None
    bb_upper: Series | None = None
    bb_middle: Series | None = None
    bb_lower: Series | None = None
    atr_14: Series | None = None
    volume_ratio: Series | None = None
    as_of: Utc | None = None
    candles_used: int = Field(ge=0)


class TechnicalIndicators(Wire):
    """Sets by timeframe: `interval` is the strategy's shortest, `long_interval` its longest, `others` between them."""

    interval: TechnicalIndicatorsSet
    long_interval: TechnicalIndicatorsSet
    others: tuple[TechnicalIndicatorsSet, ...] = ()


class PricePoint(Wire):
    timestamp: Utc
    price: Price
    volume: NonNegative | None = None


class AssetMarketData(Wire):
    """One asset as of its newest tick. Changes in percent, volume in quote currency, both over 24 hours.

    `funding_rate` is a fraction of notional per `funding_interval_hours` (8 where that is not known), open interest in
    base units. Volatility and ATR in percent a candle of `interval`, whose trend it is.
    """

    symbol: Symbol
    current_price: Price
    mark_price: Price | None = None
    index_price: Price | None = None
    bid: Price | None = None
    ask: Price | None = None
    high_24h: Price | None = None
    low_24h: Price | None = None
    price_change_24h: float | None = None
    volume_24h: NonNegative | None = None
    funding_rate: Rate | None = None
    funding_interval_hours: Hours | None = None
    next_funding_time: Utc | None = None
    open_interest: NonNegative | None = None
    price_history: Annotated[tuple[PricePoint, ...], Field(max_length=50)] = ()
    volatility: NonNegative
    atr_percent: NonNegative | None = None
    trend: Literal["up", "down", "flat"]
    technical_indicators: TechnicalIndicators
    as_of: Utc
    age_seconds: float = Field(ge=0)


class MarketContext(Wire):
    """`correlations` and `correlated` by `decision.pair_key`; a pair that `correlated` does not name counts as such."""

    assets: dict[Symbol, AssetMarketData]
    market_sentiment: Literal["bullish", "bearish", "neutral"] | None = None
    breadth: float | None = Field(default=None, ge=0, le=1)
    correlations: dict[str, Annotated[float, Field(ge=-1, le=1)]] | None = None
    correlated: dict[PairKey, bool] | None = None
    timestamp: Utc


class PositionSummary(Wire):
    """An open position at the newest mark; `percentage_pnl` is of its margin.

    `fees` paid and `funding` received (negative: paid) so far. `conditions` are its invalidation as far as code can
    check it, `invalidated_at` is when the first of them came true since it was opened; `checked` is false where not all
    candles since then are known.
    """

    symbol: Symbol
    side: PositionSide
    size: Quantity
    entry_price: DecimalPrice
    mark_price: DecimalPrice
    unrealized_pnl: Money
    percentage_pnl: float
    notional: NonNegativeMoney
    margin: NonNegativeMoney
    leverage: Leverage
    liquidation_price: DecimalPrice | None = None
    stop_loss: DecimalPrice | None = None
    take_profit: DecimalPrice | None = None
    exit_plan: Text | None = None
    invalidation: Text | None = None
    opened_at: Utc
    decision_id: Name
    fees: Money | None = None
    funding: Money | None = None
    conditions: tuple[Condition, ...] = ()
    invalidated_at: Utc | None = None
    checked: bool = False


class RiskMetrics(Wire):
    """`var_95` in quote currency: exposure × volatility fraction × 1.645; exposures in quote currency."""

    var_95: NonNegative
    max_drawdown: NonNegative
    correlation_risk: float = Field(ge=0, le=100)
    concentration_risk: float = Field(ge=0, le=100)
    gross_exposure: NonNegative
    net_exposure: float
    margin_ratio: NonNegative


class AccountContext(Wire):
    """The account at build time. `risk_exposure` is gross notional ÷ equity in percent.

    `fees_total` and `funding_total` since the account began; `last_entry_at` is what the cooldown counts from.
    """

    account_id: AccountId
    equity: Money
    balance_usd: Money
    available_balance: Money
    total_pnl: Money
    realized_pnl_today: Money
    open_positions: tuple[PositionSummary, ...]
    open_orders: tuple[OpenOrder, ...]
    recent_performance: PerformanceMetrics
    risk_exposure: NonNegative
    max_position_size: NonNegativeMoney
    active_strategy: TradingStrategy
    maker_fee_bps: float
    taker_fee_bps: float
    leverage: Leverage
    trading_state: TradingState
    mode: Mode
    venue: Name
    margin_mode: MarginMode
    version: int = Field(ge=0)
    day_open_equity: Money
    as_of: Utc
    fees_total: Money | None = None
    funding_total: Money | None = None
    last_entry_at: dict[Symbol, Utc] = {}


class ContextError(Wire):
    """Something that could not be told, and why. `scope` is a symbol, a symbol with timeframe, or `account`."""

    scope: Name
    code: ContextErrorCode
    message: ShortText


class TradingContext(Message):
    """Everything a decision is made from, and what was missing when it was built."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("context_id",)

    context_id: Id
    correlation_id: Id
    account_id: AccountId
    account_version: int = Field(ge=0)
    request: RequestOptions
    degraded: tuple[Symbol, ...] = ()
    cycle: Id
    trigger: Trigger
    symbols: tuple[Symbol, ...]
    timeframes: tuple[Timeframe, ...]
    market_data: MarketContext
    account_state: AccountContext
    recent_trades: dict[Symbol, tuple[TradeHistory, ...]] = {}
    past_decisions: Annotated[tuple[PastDecision, ...], Field(max_length=MAX_PAST)] = ()
    risk_metrics: RiskMetrics
    notes: tuple[MarketNote, ...] = ()
    timestamp: Utc
    expires_at: Utc
    errors: tuple[ContextError, ...] = ()
    missing_symbols: tuple[Symbol, ...] = ()
    build_ms: NonNegative = 0.0
    assignment: Assignment = Assignment()
