"""Accounts, proposals and ticks for tests of the validator."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.configuration.configuration import By
from libs.schemas.account import Account, AccountState, PerformanceMetrics, Position, TradingDay
from libs.schemas.decision import Arm, AssetDecision, AssetFacts, DecisionProposed, Facts, StrategyRef, TradingDecision
from libs.schemas.market import MarketTick
from libs.schemas.reasons import AbstainReason
from libs.schemas.strategy import StrategyRiskParameters, TradingStrategy
from libs.schemas.venue import MarginTier, VenueSymbol

T0 = datetime(2025, 5, 15, 12, tzinfo=UTC)
BY_TEST = By("a test", "a test")
SHADOW = Arm(experiment="prompts", name="b", shadow=True)


def seconds(after: float) -> datetime:
    return T0 + timedelta(seconds=after)


def strategy(**more: Any) -> TradingStrategy:
    values: dict[str, Any] = {
        "strategy_id": "trend",
        "strategy_name": "Trend",
        "strategy_type": "custom",
        "description": "for tests",
        "prompt_template": "x",
        "risk_parameters": StrategyRiskParameters(
            max_risk_per_trade=1, max_daily_loss=5, stop_loss_percentage=1, max_funding_rate_bps=10, max_leverage=5
        ),
        "timeframe_preference": ("1m", "5m"),
        "margin_pct": 10,
        "funding_rate_threshold": 0.05,
        "max_exposure_pct": 200,
        "max_asset_share_pct": 50,
        "max_cluster_pct": 100,
        "order_preference": "taker_accepted",
        "version": 3,
    }
    return TradingStrategy(**(values | more))


def account(account_id: str = "acc1", **more: Any) -> Account:
    values: dict[str, Any] = {
        "account_id": account_id,
        "name": account_id,
        "initial_balance": Decimal(10_000),
        "symbols": ("BTCUSDT", "ETHUSDT"),
        "strategy_id": "trend",
        "max_position_size": Decimal(5_000),
        "leverage": Decimal(3),
    }
    return Account(**(values | more))


def venue(symbol: str = "BTCUSDT") -> VenueSymbol:
    return VenueSymbol(
        venue="paper",
        symbol=symbol,
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
        min_notional=Decimal(5),
        max_quantity=Decimal(1_000),
        maker_fee_bps=Decimal(2),
        taker_fee_bps=Decimal(5),
        tiers=(MarginTier(floor=Decimal(0), mmr=Decimal("0.004"), max_leverage=Decimal(100)),),
    )


def state(account_id: str = "acc1", **more: Any) -> AccountState:
    values: dict[str, Any] = {
        "account_id": account_id,
        "version": 7,
        "mode": "paper",
        "venue": "paper",
        "margin_mode": "isolated",
        "trading_state": "active",
        "wallet_balance": Decimal(10_000),
        "performance": PerformanceMetrics(
            total_pnl=Decimal(0), win_rate=0, avg_win=Decimal(0), avg_loss=Decimal(0), max_drawdown=0, trades=0
        ),
        "day": TradingDay(start=T0.replace(hour=0), open_equity=Decimal(10_000)),
        "maker_fee_bps": 2,
        "taker_fee_bps": 5,
        "as_of": T0,
    }
    return AccountState(**(values | more))


def long_position(symbol: str = "BTCUSDT", entry: Decimal = Decimal(99_000)) -> Position:
    return Position(
        symbol=symbol,
        side="long",
        quantity=Decimal("0.01"),
        entry_price=entry,
        leverage=Decimal(3),
        margin=entry / 300,
        stop_loss=entry * Decimal("0.99"),
        opened_at=seconds(-3_600),
        decision_id="dec-before",
    )


def ask(asset: str = "BTCUSDT", action: str = "buy", **more: Any) -> AssetDecision:
    values: dict[str, Any] = {
        "asset": asset,
        "action": action,
        "allocation_usd": 300 if action in ("buy", "sell") else 0,
        "exit_plan": "at the target",
        "rationale": "a test",
        "confidence": 70,
        "risk_level": "medium",
    }
    if action == "buy":
        values |= {"leverage": 2, "sl_price": 99_000, "tp_price": 103_000}
    return AssetDecision(**(values | more))


def decision(*asks: AssetDecision) -> TradingDecision:
    return TradingDecision(
        decisions=asks or (ask(),),
        portfolio_rationale="a test",
        total_allocation_usd=sum(one.allocation_usd for one in asks or (ask(),)),
        portfolio_risk_level="medium",
    )


def seen(mark: float = 100_000, **more: Any) -> AssetFacts:
    values: dict[str, Any] = {"mark": mark, "last": mark, "atr_percent": 0.4, "age_seconds": 1.0}
    return AssetFacts(**(values | more))


def proposal(*asks: AssetDecision, **more: Any) -> DecisionProposed:
    values: dict[str, Any] = {
        "decision_id": "dec-1",
        "context_id": "ctx-1",
        "request_id": "req-1",
        "account_id": "acc1",
        "status": "proposed",
        "decision": decision(*asks),
        "context_ref": "ctx-1",
        "symbols": ("BTCUSDT", "ETHUSDT"),
        "facts": Facts(
            assets={"BTCUSDT": seen(), "ETHUSDT": seen(2_500)},
            correlations={"BTCUSDT|ETHUSDT": 0.5},
            account_version=7,
            as_of=T0,
        ),
        "strategy": StrategyRef(id="trend", version=3),
        "correlation_id": "req-1",
        "proposed_at": seconds(1),
        "expires_at": seconds(60),
    }
    return DecisionProposed(**(values | more))


def abstention(**more: Any) -> DecisionProposed:
    told = {"status": "abstained", "decision": None, "abstain_reason": AbstainReason.TIMEOUT, "abstain_detail": "20 s"}
    return proposal(**(told | more))


def tick(symbol: str = "BTCUSDT", price: float = 100_000, after: float = 2, **more: Any) -> MarketTick:
    return MarketTick(symbol=symbol, price=price, ts=seconds(after), source="test", **more)
