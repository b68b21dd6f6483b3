"""Contexts as a decider gets them: a scalping account, assets whose trend is chosen, nothing random."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.schemas.context import (
    AccountContext,
    AssetMarketData,
    MarketContext,
    PositionSummary,
    PricePoint,
    RequestOptions,
    TechnicalIndicators,
    TechnicalIndicatorsSet,
    TradingContext,
    Trigger,
)
from libs.schemas.strategy import TradingStrategy
from tests import builders

NOW = datetime(2026, 5, 4, 12, 0, 2, tzinfo=UTC)
PRICES = {"BTCUSDT": 94_230.2, "ETHUSDT": 1_812.44, "SOLUSDT": 146.31, "BNBUSDT": 598.7, "XRPUSDT": 2.1543}
TEMPLATE = (
    "Scalp {{ symbols | join(', ') }} with {{ account.equity }} USD at no more than "
    "{{ strategy.risk_parameters.max_leverage }}x."
)


def strategy(**changes: Any) -> TradingStrategy:
    risk = {
        "max_risk_per_trade": 0.25,
        "max_daily_loss": 1.5,
        "stop_loss_percentage": 0.4,
        "take_profit_ratio": 1.3,
        "max_leverage": 10,
        "cooldown_period": 30,
        "max_funding_rate_bps": 3,
    } | changes.pop("risk", {})
    defaults: dict[str, Any] = {
        "strategy_type": "scalping",
        "description": "small targets",
        "prompt_template": TEMPLATE,
        "position_sizing": "fixed",
        "fixed_margin_usd": 500,
        "margin_pct": None,
        "order_preference": "maker_only",
        "funding_rate_threshold": 0.015,
        "funding_blackout_min": 5,
        "max_exposure_pct": 300,
        "max_cluster_pct": 200,
        "version": 3,
    }
    return builders.strategy(**({"strategy_id": "scalping", "risk": risk} | defaults | changes))


def indicators(timeframe: Any, price: float, gap_atrs: float, rsi: float = 58.0) -> TechnicalIndicatorsSet:
    """Ten values; at the newest EMA 20 lies `gap_atrs` ATRs (0.1 % of price each) above EMA 50."""
    atr = price * 0.001
    slow = tuple(price - atr * (10 - n) * 0.1 for n in range(10))
    return TechnicalIndicatorsSet(
        timeframe=timeframe,
        ema_20=tuple(value + gap_atrs * atr for value in slow),
        ema_50=slow,
        macd=(1.0,) * 10,
        macd_signal=(0.9,) * 10,
        macd_hist=(0.1,) * 10,
        rsi_14=(rsi,) * 10,
        bb_upper=(price * 1.01,) * 10,
        bb_middle=(price,) * 10,
        bb_lower=(price * 0.99,) * 10,
        atr_14=(atr,) * 10,
        volume_ratio=(1.2,) * 10,
        as_of=NOW,
        candles_used=250,
    )


def warming_up(timeframe: Any) -> TechnicalIndicatorsSet:
    return TechnicalIndicatorsSet(timeframe=timeframe, candles_used=12)


def asset(symbol: str, gap_atrs: float = 1.0, *, long_gap: float | None = None, **changes: Any) -> AssetMarketData:
    price = PRICES[symbol]
    sets = TechnicalIndicators(
        interval=indicators("1m", price, gap_atrs, rsi=58 if gap_atrs > 0 else 42),
        long_interval=indicators("5m", price, gap_atrs if long_gap is None else long_gap),
    )
    return AssetMarketData(
        **{
            "symbol": symbol,
            "current_price": price,
            "mark_price": price * 1.0001,
            "price_change_24h": 1.5,
            "volume_24h": 1.2e9,
            "funding_rate": 0.0001,
            "next_funding_time": NOW + timedelta(minutes=238),
            "open_interest": 5e8,
            "price_history": tuple(
                PricePoint(timestamp=NOW - timedelta(minutes=50 - n), price=price * (1 + n / 1e5)) for n in range(50)
            ),
            "volatility": 0.12,
            "atr_percent": 0.1,
            "trend": "up",
            "technical_indicators": sets,
            "as_of": NOW,
            "age_seconds": 0.4,
        }
        | changes
    )


def position(symbol: str, side: Any = "long", **changes: Any) -> PositionSummary:
    price = Decimal(str(PRICES[symbol]))
    return PositionSummary(
        **{
            "symbol": symbol,
            "side": side,
            "size": Decimal("0.05"),
            "entry_price": price,
            "mark_price": price,
            "unrealized_pnl": Decimal("12.50"),
            "percentage_pnl": 2.5,
            "notional": Decimal(5000),
            "margin": Decimal(500),
            "leverage": Decimal(10),
            "liquidation_price": price * Decimal("0.91"),
            "stop_loss": price * Decimal("0.996"),
            "take_profit": price * Decimal("1.008"),
            "exit_plan": "out at the stop or the target",
            "invalidation": "1m EMA 20 below EMA 50",
            "opened_at": NOW - timedelta(minutes=7),
            "decision_id": "dec-before",
        }
        | changes
    )


def account(**changes: Any) -> AccountContext:
    defaults: dict[str, Any] = {
        "account_id": "scalper",
        "equity": Decimal("10012.50"),
        "available_balance": Decimal("9500.25"),
        "total_pnl": Decimal("12.50"),
        "realized_pnl_today": Decimal("-3.10"),
        "recent_performance": builders.performance(
            total_pnl=Decimal("12.5"), win_rate=50, avg_win=Decimal(20), avg_loss=Decimal(-7), max_drawdown=1, trades=4
        ),
        "risk_exposure": 49.9,
        "max_position_size": Decimal(7500),
        "active_strategy": strategy(),
        "leverage": Decimal(8),
        "version": 17,
        "day_open_equity": Decimal(10010),
        "as_of": NOW,
    }
    return builders.account_context(**(defaults | changes))


def context(
    assets: Mapping[str, AssetMarketData] | None = None,
    *,
    account_state: AccountContext | None = None,
    model: str | None = None,
    name: str = "1",
    **changes: Any,
) -> TradingContext:
    """A context named `ctx-<name>`: five assets with an uptrend unless `assets` says else."""
    assets = assets if assets is not None else {symbol: asset(symbol) for symbol in PRICES}
    defaults: dict[str, Any] = {
        "account_id": "scalper",
        "account_version": 17,
        "request": RequestOptions(request_id=f"req-{name}", model=model),
        "cycle": "interval:1m:1777896000",
        "trigger": Trigger(kind="interval", detail="1m"),
        "symbols": tuple(assets) or ("BTCUSDT",),
        "market_data": MarketContext(
            assets=dict(assets), market_sentiment="bullish", breadth=0.8, correlations=None, timestamp=NOW
        ),
        "account_state": account_state or account(),
        "risk_metrics": builders.risk_metrics(
            var_95=12,
            max_drawdown=1,
            correlation_risk=10,
            concentration_risk=20,
            gross_exposure=4990,
            net_exposure=4990,
            margin_ratio=0.02,
        ),
        "timestamp": NOW,
    }
    return builders.context(name, **(defaults | changes))
