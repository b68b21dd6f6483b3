"""The data block at the end of a prompt: the numbers of a context as compact JSON, for models and rule policies."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from libs.perps.funding import per_8h
from libs.risk.marks import shown_mark
from libs.schemas.account import PositionSide, TradingState
from libs.schemas.base import Symbol, Timeframe
from libs.schemas.context import AssetMarketData, PositionSummary, TechnicalIndicatorsSet, TradingContext
from libs.schemas.strategy import TradingStrategy
from services.decider.domain.figures import minutes_between

OPEN, CLOSE = "<data>", "</data>"
KEPT = 3  # newest values of a series in the block; the tables of the prompt show ten


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Frame(_Block):
    """The newest values of one timeframe's indicators, oldest → newest; empty where the warm-up is short."""

    tf: Timeframe
    ema20: tuple[float, ...] = ()
    ema50: tuple[float, ...] = ()
    rsi14: tuple[float, ...] = ()
    atr14: tuple[float, ...] = ()


class Asset(_Block):
    """One asset. `funding` a fraction per 8 h, `funding_min` minutes until it is paid."""

    price: float
    mark: float
    age_s: float
    funding: float | None = None
    funding_min: float | None = None
    degraded: bool = False
    frames: Annotated[tuple[Frame, ...], Field(min_length=1)]  # shortest timeframe first


class Held(_Block):
    """An open position. `margin` in quote currency, prices in quote currency."""

    side: PositionSide
    size: float
    entry: float
    mark: float
    margin: float
    leverage: float
    pnl: float
    stop: float | None = None
    target: float | None = None
    liquidation: float | None = None
    age_min: float


class Rules(_Block):
    """The account's limits as code enforces them. Percentages of equity or price, taker fee in basis points a side."""

    state: TradingState
    equity: float
    available: float
    max_notional: float
    max_leverage: float
    max_positions: int
    default_stop_pct: float
    reward_ratio: float | None = None
    target_pct: float | None = None
    liquidation_buffer: float
    max_risk_pct: float
    max_funding_bps_8h: float
    funding_blackout_min: int
    fee_bps: float


class Snapshot(_Block):
    as_of: datetime
    symbols: tuple[Symbol, ...]
    rules: Rules
    assets: dict[Symbol, Asset]
    positions: dict[Symbol, Held] = {}
    resting_entries: tuple[Symbol, ...] = ()


def of_context(context: TradingContext) -> Snapshot:
    account = context.account_state
    return Snapshot.model_construct(
        as_of=context.timestamp,
        symbols=context.symbols,
        rules=_rules(context),
        assets={
            symbol: _asset(asset, context.timestamp, symbol in context.degraded)
            for symbol, asset in context.market_data.assets.items()
        },
        positions={held.symbol: _held(held, context.timestamp) for held in account.open_positions},
        resting_entries=tuple(sorted({o.symbol for o in account.open_orders if o.leg == "entry"})),
    )


def to_text(snapshot: Snapshot) -> str:
    """The block as it stands in the prompt. No `<` inside: what a model once wrote cannot end the block."""
    body = snapshot.model_dump_json(exclude_none=True, exclude_defaults=True).replace("<", "\\u003c")
    return f"{OPEN}{body}{CLOSE}"


def from_text(prompt: str) -> Snapshot:
    """The last block of a prompt. Raises ValueError where there is none or it is not whole."""
    begin, end = prompt.rfind(OPEN), prompt.rfind(CLOSE)
    if begin < 0 or end < begin:
        raise ValueError(f"the prompt holds no {OPEN}…{CLOSE} block")
    return Snapshot.model_validate_json(prompt[begin + len(OPEN) : end])


def max_leverage(strategy: TradingStrategy, account_leverage: Decimal) -> float:
    return min(strategy.risk_parameters.max_leverage, float(account_leverage))


def frames_of(asset: AssetMarketData) -> tuple[TechnicalIndicatorsSet, ...]:
    """Each timeframe's indicators once, shortest first."""
    sets = asset.technical_indicators
    ordered = (sets.interval, *sets.others, sets.long_interval)
    return tuple({each.timeframe: each for each in ordered}.values())


def _rules(context: TradingContext) -> Rules:
    account = context.account_state
    strategy = account.active_strategy
    risk = strategy.risk_parameters
    return Rules.model_construct(
        state=account.trading_state,
        equity=_cents(account.equity),
        available=_cents(account.available_balance),
        max_notional=_cents(account.max_position_size),
        max_leverage=max_leverage(strategy, account.leverage),
        max_positions=strategy.max_positions,
        default_stop_pct=risk.stop_loss_percentage,
        reward_ratio=risk.take_profit_ratio,
        target_pct=strategy.take_profit_pct,
        liquidation_buffer=risk.liquidation_buffer,
        max_risk_pct=risk.max_risk_per_trade,
        max_funding_bps_8h=risk.max_funding_rate_bps,
        funding_blackout_min=strategy.funding_blackout_min,
        fee_bps=account.taker_fee_bps,
    )


def _asset(asset: AssetMarketData, now: datetime, degraded: bool) -> Asset:
    due, rate = asset.next_funding_time, asset.funding_rate
    return Asset.model_construct(
        price=asset.current_price,
        mark=float(f"{shown_mark(asset):.8g}"),
        age_s=round(asset.age_seconds, 1),
        funding=None if rate is None else per_8h(rate, asset.funding_interval_hours),
        funding_min=None if due is None else minutes_between(now, due),
        degraded=degraded,
        frames=tuple(_frame(each) for each in frames_of(asset)),
    )


def _frame(each: TechnicalIndicatorsSet) -> Frame:
    return Frame.model_construct(
        tf=each.timeframe,
        ema20=_newest(each.ema_20),
        ema50=_newest(each.ema_50),
        rsi14=_newest(each.rsi_14),
        atr14=_newest(each.atr_14),
    )


def _held(held: PositionSummary, now: datetime) -> Held:
    return Held.model_construct(
        side=held.side,
        size=float(held.size),
        entry=float(held.entry_price),
        mark=float(held.mark_price),
        margin=_cents(held.margin),
        leverage=float(held.leverage),
        pnl=_cents(held.unrealized_pnl),
        stop=_float(held.stop_loss),
        target=_float(held.take_profit),
        liquidation=_float(held.liquidation_price),
        age_min=minutes_between(held.opened_at, now),
    )


def _newest(series: tuple[float, ...] | None) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in (series or ())[-KEPT:])


def _cents(amount: Decimal) -> float:
    return float(round(amount, 2))


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
