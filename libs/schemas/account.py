"""Accounts: their configuration, their live state, orders and positions as a reader sees them, and controls."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from libs.schemas.acts import KEPT_ACTS, Act, ActOutcome
from libs.schemas.base import (
    AccountId,
    ClientOrderId,
    DecimalPrice,
    Id,
    Leverage,
    Message,
    ModelChain,
    Money,
    Name,
    NonNegativeMoney,
    Percent,
    PositiveMoney,
    Quantity,
    ShortText,
    StrategyId,
    Symbol,
    Symbols,
    Text,
    Timeframe,
    Utc,
    Wire,
)
from libs.schemas.reasons import OrderReason

Mode = Literal["paper", "live"]
MarginMode = Literal["isolated", "cross"]
AccountStatus = Literal["active", "paused", "stopped"]
TradingState = Literal["active", "reducing", "halted"]
Side = Literal["buy", "sell"]
PositionSide = Literal["long", "short"]
OrderType = Literal["market", "limit", "stop_market", "take_profit_market"]
TimeInForce = Literal["gtc", "ioc", "post_only"]
Leg = Literal["entry", "exit", "stop", "target", "flatten"]
MAX_CONDITIONS = 4
Figure = Literal[
    "close", "ema20", "ema50", "macd", "signal", "hist", "rsi14", "bb_low", "bb_mid", "bb_up", "atr14", "vol_ratio"
]  # fmt: skip


class Condition(Wire):
    """A statement about a closed candle that code can check: a figure above or below another one, or a number.

    Of several in a row any one is enough, but one that is `joined` counts only together with the one before it.
    """

    timeframe: Timeframe
    figure: Figure
    side: Literal["above", "below"]
    than: Figure | Annotated[float, Field(gt=-1e15, lt=1e15)]
    joined: bool = False


class Budgets(Wire):
    """Upper bounds of what an account may spend on models; None means no bound of its own."""

    usd_per_hour: float | None = Field(default=None, ge=0)
    usd_per_day: float | None = Field(default=None, ge=0)
    tokens_per_hour: int | None = Field(default=None, ge=0)
    tokens_per_day: int | None = Field(default=None, ge=0)


class Account(Message):
    """Configuration of an account (KV `config`, key `account.<id>`)."""

    account_id: AccountId
    name: Name
    mode: Mode = "paper"
    venue: Name = "paper"
    margin_mode: MarginMode = "isolated"
    initial_balance: PositiveMoney
    symbols: Symbols
    strategy_id: StrategyId
    model: ModelChain | None = None
    status: AccountStatus = "active"
    price_trigger_pct: float | None = Field(default=None, gt=0, le=100)
    funding_near_min: int | None = Field(default=None, ge=0, le=480)
    min_seconds_between_decisions: int = Field(default=0, ge=0, le=86_400)
    max_position_size: PositiveMoney
    leverage: Leverage
    budgets: Budgets = Budgets()
    rate_limit: int = Field(default=60, ge=1, le=100_000)
    credential: Name | None = None
    version: int = Field(default=1, ge=1)


class OpenOrder(Wire):
    """A resting or conditional order of an account."""

    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    type: OrderType
    price: DecimalPrice | None = None
    stop_price: DecimalPrice | None = None
    quantity: Quantity
    filled: NonNegativeMoney = Decimal(0)
    reduce_only: bool
    leg: Leg
    created_at: Utc
    expires_at: Utc | None = None
    decision_id: Name | None = None


class Position(Wire):
    """One open position, one-way mode. `margin` is the isolated wallet; prices in quote, quantity in base units."""

    symbol: Symbol
    side: PositionSide
    quantity: Quantity
    entry_price: DecimalPrice
    leverage: Leverage
    margin: NonNegativeMoney
    liquidation_price: DecimalPrice | None = None
    stop_loss: DecimalPrice | None = None
    take_profit: DecimalPrice | None = None
    exit_plan: Text | None = None
    invalidation: Text | None = None
    opened_at: Utc
    decision_id: Name
    strategy_id: StrategyId | None = None
    realized_pnl: Money = Decimal(0)
    fees: Money = Decimal(0)
    funding: Money = Decimal(0)


class TradeHistory(Wire):
    """One fill as the model and the API see it; `pnl` only where the fill reduced a position."""

    symbol: Symbol
    side: Side
    size: Quantity
    price: DecimalPrice
    fee: Money
    pnl: Money | None = None
    timestamp: Utc


class ClosedTrade(Wire):
    """One position from open to flat. `pnl` is net of fees and funding, and of what it lost beyond what it could lose:
    that is `insolvency`, borne by the venue. `strategy_id` is of the decision that opened it.

    `reason` is why its last part was closed; `conditions` are what its decision named as its invalidation, as far as
    code can check it.
    """

    symbol: Symbol
    side: PositionSide
    quantity: Quantity
    entry_price: DecimalPrice
    exit_price: DecimalPrice
    margin: NonNegativeMoney
    pnl: Money
    fees: Money
    funding: Money
    insolvency: Money = Decimal(0)
    opened_at: Utc
    closed_at: Utc
    decision_id: Name
    strategy_id: StrategyId | None = None
    reason: OrderReason | None = None
    conditions: Annotated[tuple[Condition, ...], Field(max_length=MAX_CONDITIONS)] = ()


class PerformanceMetrics(Wire):
    """Over the closed trades kept with the account. Ratios are of daily returns, × √365, and null where undefined.

    `max_drawdown` is the deepest that the account ever was below its highest wallet, open positions at their marks;
    `closed_pnl` is what all trades that were ever closed made together, `peak_pnl` the most that this ever was.
    """

    total_pnl: Money
    win_rate: Percent
    avg_win: Money
    avg_loss: Money
    profit_factor: float | None = None
    max_drawdown: float = Field(ge=0)
    sharpe_ratio: float | None = None
    sortino_ratio: float | None = None
    trades: int = Field(ge=0)
    closed_pnl: Money | None = None
    peak_pnl: NonNegativeMoney | None = None


class Reservation(Wire):
    """Margin and notional held for orders of one side that were sent and are not yet filled."""

    margin: NonNegativeMoney
    notional: NonNegativeMoney
    side: Side | None = None


class TradingDay(Wire):
    """The UTC day in market time that daily limits refer to."""

    start: Utc
    open_equity: Money
    realised: Money = Decimal(0)
    transfers: Money = Decimal(0)


class TradingStanding(Wire):
    """Since when (market time), by whom and why the trading state is what it is; set when it was moved.

    `ends`: by itself with the UTC day, or when somebody lets the account trade again: a control to `active`
    (POST /controls, `perpetua control active`).
    """

    since: Utc
    by: Name
    why: ShortText
    ends: Literal["day", "person"]


class AccountState(Message):
    """Last known state of an account (KV `state`), written by the executor after every change."""

    account_id: AccountId
    version: int = Field(ge=0)
    mode: Mode
    venue: Name
    margin_mode: MarginMode
    trading_state: TradingState
    standing: TradingStanding | None = None  # null while it was never moved, and from an older executor
    wallet_balance: Money
    positions: tuple[Position, ...] = ()
    open_orders: tuple[OpenOrder, ...] = ()
    recent_trades: dict[Symbol, tuple[TradeHistory, ...]] = {}
    performance: PerformanceMetrics
    closed_trades: tuple[ClosedTrade, ...] = ()
    last_entry_at: dict[Symbol, Utc] = {}
    reservations: dict[Symbol, Reservation] = {}
    day: TradingDay
    ladders: dict[Symbol, int] = {}
    realised_total: Money = Decimal(0)
    fees_total: Money = Decimal(0)
    funding_total: Money = Decimal(0)
    insolvency_total: Money = Decimal(0)
    peak_equity: NonNegativeMoney | None = None  # the highest wallet so far; null from an older executor
    acts: Annotated[tuple[ActOutcome, ...], Field(max_length=KEPT_ACTS)] = ()  # the last ones, oldest first
    maker_fee_bps: float
    taker_fee_bps: float
    market_sequence: int = Field(default=0, ge=0)
    as_of: Utc


Control = Literal["active", "reducing", "halted", "flatten"]


class ControlRequested(Message):
    """A command about trading, for one account or `all`. The orders of a `flatten` are named after its id.

    It sets a state, or asks for one act on one account (version 2). An `automatic` one is no person's: it makes trading
    stricter and never looser.
    """

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("control_id",)

    schema_version: Literal[1, 2] = 1  # type: ignore[assignment]  # 2 carries an act: who knows only 1 refuses it
    control_id: Id
    scope: AccountId
    state: Control | None = None
    act: Act | None = None
    reason: ShortText
    by: Name
    requested_at: Utc
    automatic: bool = False

    @model_validator(mode="after")
    def _one_thing(self) -> "ControlRequested":
        if (self.state is None) == (self.act is None):
            raise ValueError("a control sets a state or asks for an act, one of the two")
        if (self.act is not None) != (self.schema_version == 2):
            raise ValueError("an act, and nothing else, is of version 2")
        if self.act is not None and (self.automatic or self.scope == "all"):
            raise ValueError("an act is a person's, on one account")
        return self
