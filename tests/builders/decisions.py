"""What a model proposes, and the market that it saw."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from libs.schemas.decision import AssetDecision, AssetFacts, DecisionProposed, Facts, StrategyRef, TradingDecision
from tests.builders.market import T0


def row(asset: str = "BTCUSDT", action: str = "hold", **changes: Any) -> AssetDecision:
    """Any action of one asset; what an entry needs is not filled in."""
    defaults: dict[str, Any] = {
        "asset": asset,
        "action": action,
        "exit_plan": "stop or target",
        "rationale": "a test",
        "confidence": 70,
        "risk_level": "medium",
    }
    return AssetDecision(**(defaults | changes))


def entry(asset: str = "BTCUSDT", action: str = "buy", price: float = 100.0, **changes: Any) -> AssetDecision:
    """100 of margin with a stop 2 % away from `price` and a target 10 % away."""
    away = price if action == "buy" else -price
    defaults = {"allocation_usd": 100, "leverage": 5, "sl_price": price - away / 50, "tp_price": price + away / 10}
    return row(asset, action, **(defaults | changes))


def decision(*rows: AssetDecision, **changes: Any) -> TradingDecision:
    rows = rows or (row(),)
    defaults: dict[str, Any] = {
        "decisions": rows,
        "portfolio_rationale": "a test",
        "total_allocation_usd": sum(each.allocation_usd for each in rows),
        "portfolio_risk_level": "medium",
    }
    return TradingDecision(**(defaults | changes))


def seen(mark: float = 100.0, **changes: Any) -> AssetFacts:
    return AssetFacts(**({"mark": mark, "last": mark, "age_seconds": 1.0} | changes))


def facts(assets: Mapping[str, AssetFacts] | None = None, **changes: Any) -> Facts:
    defaults: dict[str, Any] = {"assets": dict(assets or {}), "account_version": 1, "as_of": T0}
    return Facts(**(defaults | changes))


def proposal(*rows: AssetDecision, **changes: Any) -> DecisionProposed:
    """Proposed unless `changes` has another status; a minute is left to act on it."""
    defaults: dict[str, Any] = {
        "decision_id": "dec-1",
        "context_id": "ctx-1",
        "request_id": "req-1",
        "account_id": "acc1",
        "status": "proposed",
        "decision": decision(*rows) if changes.get("status", "proposed") == "proposed" else None,
        "context_ref": changes.get("context_id", "ctx-1"),
        "symbols": tuple(each.asset for each in rows) or ("BTCUSDT",),
        "facts": facts(),
        "strategy": StrategyRef(id="trend", version=1),
        "correlation_id": changes.get("request_id", "req-1"),
        "proposed_at": T0,
        "expires_at": T0 + timedelta(seconds=60),
    }
    return DecisionProposed(**(defaults | changes))
