"""The strategy and the context of a chain of messages."""

from decimal import Decimal
from typing import TYPE_CHECKING

from libs.schemas.account import PerformanceMetrics
from libs.schemas.context import (
    AccountContext,
    MarketContext,
    RequestOptions,
    RiskMetrics,
    TradingContext,
    Trigger,
)
from libs.schemas.strategy import StrategyRiskParameters, TradingStrategy

if TYPE_CHECKING:
    from tests.fakes.ledger_chain import Chain

STRATEGY = TradingStrategy(
    strategy_id="steady",
    strategy_name="Steady",
    strategy_type="conservative",
    description="for tests",
    prompt_template="{{ context }}",
    risk_parameters=StrategyRiskParameters(
        max_risk_per_trade=1, max_daily_loss=5, stop_loss_percentage=2, max_funding_rate_bps=10
    ),
    timeframe_preference=("5m", "1h"),
    margin_pct=10,
    funding_rate_threshold=0.1,
    max_exposure_pct=200,
    max_asset_share_pct=50,
    max_cluster_pct=100,
)


def context_of(chain: "Chain") -> TradingContext:
    """An account with nothing open, at the beginning of the chain."""
    return TradingContext(
        context_id=chain.context_id,
        correlation_id=chain.request_id,
        account_id=chain.account,
        account_version=1,
        request=RequestOptions(request_id=chain.request_id, dry_run=chain.dry_run),
        cycle=chain.cycle,
        trigger=Trigger(kind="api", detail="a test"),
        symbols=(chain.symbol,),
        timeframes=("5m", "1h"),
        market_data=MarketContext(assets={}, timestamp=chain.at(0.1)),
        account_state=_account(chain),
        risk_metrics=RiskMetrics(
            var_95=0,
            max_drawdown=0,
            correlation_risk=0,
            concentration_risk=0,
            gross_exposure=0,
            net_exposure=0,
            margin_ratio=0,
        ),
        timestamp=chain.at(0.1),
        expires_at=chain.at(60),
        build_ms=3.5,
    )


def _account(chain: "Chain") -> AccountContext:
    return AccountContext(
        account_id=chain.account,
        equity=Decimal("10000.5"),
        balance_usd=Decimal("10000"),
        available_balance=Decimal("9000"),
        total_pnl=Decimal(0),
        realized_pnl_today=Decimal(0),
        open_positions=(),
        open_orders=(),
        recent_performance=PerformanceMetrics(
            total_pnl=Decimal(0), win_rate=0, avg_win=Decimal(0), avg_loss=Decimal(0), max_drawdown=0, trades=0
        ),
        risk_exposure=0,
        max_position_size=Decimal(5000),
        active_strategy=STRATEGY,
        maker_fee_bps=2,
        taker_fee_bps=5,
        leverage=Decimal(2),
        trading_state="active",
        mode="paper",
        venue="paper",
        margin_mode="isolated",
        version=1,
        day_open_equity=Decimal(10000),
        as_of=chain.at(0.1),
    )
