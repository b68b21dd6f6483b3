"""Made-up contexts that a template is tried on before it is stored: one account that holds nothing, one that does."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from libs.schemas.account import Account, PerformanceMetrics
from libs.schemas.base import TIMEFRAME_SECONDS
from libs.schemas.context import (
    AccountContext,
    AssetMarketData,
    MarketContext,
    PositionSummary,
    PricePoint,
    RequestOptions,
    RiskMetrics,
    TechnicalIndicators,
    TechnicalIndicatorsSet,
    TradingContext,
    Trigger,
)
from libs.schemas.strategy import TradingStrategy

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
PRICES = {"BTCUSDT": 90_000.0, "ETHUSDT": 3_000.0, "SOLUSDT": 150.0}
OTHER_PRICE = 10.0


def samples(strategy: TradingStrategy, account: Account | None = None) -> tuple[TradingContext, TradingContext]:
    """The same moment without and with an open position, for `account` or a paper account of 10 000 USD."""
    symbols = account.symbols if account else tuple(PRICES)
    held = _position(symbols[0])
    return _context(strategy, account, symbols, ()), _context(strategy, account, symbols, (held,))


def _context(
    strategy: TradingStrategy, account: Account | None, symbols: tuple[str, ...], held: tuple[PositionSummary, ...]
) -> TradingContext:
    gross = float(sum((position.notional for position in held), Decimal(0)))
    state = _account(strategy, account, held)
    return TradingContext(
        context_id="sample",
        correlation_id="sample",
        account_id=state.account_id,
        account_version=1,
        request=RequestOptions(request_id="sample"),
        cycle="sample",
        trigger=Trigger(kind="manual", detail="a sample"),
        symbols=symbols,
        timeframes=strategy.timeframe_preference,
        market_data=MarketContext(
            assets={symbol: _asset(symbol, strategy) for symbol in symbols},
            market_sentiment="neutral",
            breadth=0.5,
            timestamp=NOW,
        ),
        account_state=state,
        risk_metrics=RiskMetrics(
            var_95=gross * 0.02,
            max_drawdown=2,
            correlation_risk=50,
            concentration_risk=100 if held else 0,
            gross_exposure=gross,
            net_exposure=gross,
            margin_ratio=0.01 if held else 0,
        ),
        timestamp=NOW,
        expires_at=NOW + timedelta(minutes=1),
    )


def _account(strategy: TradingStrategy, account: Account | None, held: tuple[PositionSummary, ...]) -> AccountContext:
    balance = account.initial_balance if account else Decimal(10_000)
    notional = sum((position.notional for position in held), Decimal(0))
    return AccountContext(
        account_id=account.account_id if account else "sample",
        equity=balance,
        balance_usd=balance,
        available_balance=balance - sum((position.margin for position in held), Decimal(0)),
        total_pnl=Decimal(0),
        realized_pnl_today=Decimal(0),
        open_positions=held,
        open_orders=(),
        recent_performance=PerformanceMetrics(
            total_pnl=Decimal(0), win_rate=50, avg_win=Decimal(20), avg_loss=Decimal(-10), max_drawdown=2, trades=4
        ),
        risk_exposure=float(notional / balance * 100),
        max_position_size=account.max_position_size if account else Decimal(5_000),
        active_strategy=strategy,
        maker_fee_bps=2,
        taker_fee_bps=5,
        leverage=account.leverage if account else Decimal(3),
        trading_state="active",
        mode=account.mode if account else "paper",
        venue=account.venue if account else "paper",
        margin_mode=account.margin_mode if account else "isolated",
        version=1,
        day_open_equity=balance,
        as_of=NOW,
    )


def _position(symbol: str) -> PositionSummary:
    price = Decimal(str(PRICES.get(symbol, OTHER_PRICE)))
    size = (Decimal(300) / price).quantize(Decimal("1e-6"))
    return PositionSummary(
        symbol=symbol,
        side="long",
        size=size,
        entry_price=price,
        mark_price=price,
        unrealized_pnl=Decimal(0),
        percentage_pnl=0,
        notional=size * price,
        margin=size * price / 3,
        leverage=Decimal(3),
        liquidation_price=price * Decimal("0.7"),
        stop_loss=price * Decimal("0.98"),
        take_profit=price * Decimal("1.05"),
        exit_plan="at the target or the stop",
        invalidation="a close below the last low",
        opened_at=NOW - timedelta(minutes=30),
        decision_id="sample",
    )


def _asset(symbol: str, strategy: TradingStrategy) -> AssetMarketData:
    price = PRICES.get(symbol, OTHER_PRICE)
    frames = sorted(strategy.timeframe_preference, key=TIMEFRAME_SECONDS.__getitem__)
    return AssetMarketData(
        symbol=symbol,
        current_price=price,
        mark_price=price,
        price_change_24h=1.2,
        volume_24h=1e9,
        funding_rate=0.0001,
        next_funding_time=NOW + timedelta(hours=4),
        open_interest=1e8,
        price_history=tuple(
            PricePoint(timestamp=NOW - timedelta(minutes=50 - n), price=price * (1 + n / 1e5)) for n in range(50)
        ),
        volatility=0.2,
        atr_percent=0.3,
        trend="up",
        technical_indicators=TechnicalIndicators(
            interval=_indicators(frames[0], price),
            long_interval=_indicators(frames[-1], price),
            others=tuple(_indicators(frame, price) for frame in frames[1:-1]),
        ),
        as_of=NOW,
        age_seconds=1,
    )


def _indicators(timeframe: str, price: float) -> TechnicalIndicatorsSet:
    def level(share: float) -> tuple[float, ...]:
        return (price * share,) * 10

    return TechnicalIndicatorsSet.model_validate(
        {
            "timeframe": timeframe,
            "ema_20": level(1.001),
            "ema_50": level(0.999),
            "macd": level(0.0005),
            "macd_signal": level(0.0004),
            "macd_hist": level(0.0001),
            "rsi_14": (55.0,) * 10,
            "bb_upper": level(1.01),
            "bb_middle": level(1.0),
            "bb_lower": level(0.99),
            "atr_14": level(0.003),
            "volume_ratio": (1.1,) * 10,
            "as_of": NOW,
            "candles_used": 250,
        }
    )
