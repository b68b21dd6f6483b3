"""Requests for a decision, and the contexts that they become."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from libs.schemas import ids
from libs.schemas.context import (
    AccountContext,
    DecisionRequest,
    MarketContext,
    RequestOptions,
    RiskMetrics,
    TradingContext,
    Trigger,
)
from tests.builders.accounts import performance, strategy
from tests.builders.market import T0


def request(request_id: str = "r1", **changes: Any) -> DecisionRequest:
    """One over the API that is worth an answer for a minute."""
    requested_at = changes.get("requested_at", T0)
    defaults: dict[str, Any] = {
        "request_id": request_id,
        "account_id": "acc1",
        "cycle": ids.request_cycle(request_id),
        "trigger": Trigger(kind="api"),
        "requested_by": "test",
        "requested_at": requested_at,
        "expires_at": requested_at + timedelta(seconds=60),
    }
    return DecisionRequest(**(defaults | changes))


def account_context(account_id: str = "acc1", **changes: Any) -> AccountContext:
    """10 000 with nothing open."""
    defaults: dict[str, Any] = {
        "account_id": account_id,
        "equity": Decimal(10_000),
        "balance_usd": Decimal(10_000),
        "available_balance": Decimal(10_000),
        "total_pnl": Decimal(0),
        "realized_pnl_today": Decimal(0),
        "open_positions": (),
        "open_orders": (),
        "recent_performance": performance(),
        "risk_exposure": 0,
        "max_position_size": Decimal(5_000),
        "active_strategy": changes.get("active_strategy") or strategy(),
        "maker_fee_bps": 2,
        "taker_fee_bps": 5,
        "leverage": Decimal(2),
        "trading_state": "active",
        "mode": "paper",
        "venue": "paper",
        "margin_mode": "isolated",
        "version": 1,
        "day_open_equity": Decimal(10_000),
        "as_of": T0,
    }
    return AccountContext(**(defaults | changes))


def risk_metrics(**changes: Any) -> RiskMetrics:
    names = ("var_95", "max_drawdown", "correlation_risk", "concentration_risk")
    return RiskMetrics(**(dict.fromkeys((*names, "gross_exposure", "net_exposure", "margin_ratio"), 0) | changes))


def context(name: str = "1", **changes: Any) -> TradingContext:
    """A context `ctx-<name>` of request `req-<name>`, without a single asset."""
    timestamp = changes.get("timestamp", T0)
    account_id = changes.get("account_id", "acc1")
    defaults: dict[str, Any] = {
        "context_id": f"ctx-{name}",
        "correlation_id": f"req-{name}",
        "account_id": account_id,
        "account_version": 1,
        "request": RequestOptions(request_id=f"req-{name}"),
        "cycle": ids.request_cycle(f"req-{name}"),
        "trigger": Trigger(kind="api", detail="a test"),
        "symbols": ("BTCUSDT",),
        "timeframes": ("1m", "5m"),
        "market_data": MarketContext(assets={}, timestamp=timestamp),
        "account_state": changes.get("account_state") or account_context(account_id),
        "risk_metrics": risk_metrics(),
        "timestamp": timestamp,
        "expires_at": timestamp + timedelta(seconds=60),
        "build_ms": 1.5,
    }
    return TradingContext(**(defaults | changes))
