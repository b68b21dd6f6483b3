"""What a decision ends in: the verdict, the orders that it becomes, and what they do to a position."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from libs.schemas.decision import StrategyRef
from libs.schemas.orders import Fill, OrderIntent, PositionEvent
from libs.schemas.reasons import OrderReason
from libs.schemas.verdict import DecisionValidated
from tests.builders.decisions import decision, facts
from tests.builders.market import T0


def validated(decision_id: str = "dec-1", **changes: Any) -> DecisionValidated:
    """A decision of one hold, judged without a remark; the other ids are named after its own."""
    defaults: dict[str, Any] = {
        "decision_id": decision_id,
        "context_id": f"ctx-{decision_id}",
        "request_id": f"req-{decision_id}",
        "account_id": "acc1",
        "account_version": 1,
        "correlation_id": f"cor-{decision_id}",
        "expires_at": T0 + timedelta(seconds=60),
        "decision": decision(),
        "facts": facts(),
        "strategy": StrategyRef(id="trend", version=1),
        "verdicts": (),
        "rules_checked": 1,
        "validation_time_ms": 0,
        "prices_at_validation": {},
        "validated_at": T0,
        "status": "hold",
    }
    return DecisionValidated(**(defaults | changes))


def intent(**changes: Any) -> OrderIntent:
    """A market order to enter."""
    decision_id = changes.get("decision_id", "dec-1")
    defaults: dict[str, Any] = {
        "client_order_id": "0" * 32,
        "decision_id": decision_id,
        "account_id": "acc1",
        "symbol": "BTCUSDT",
        "side": "buy",
        "type": "market",
        "quantity": Decimal(1),
        "time_in_force": "ioc",
        "reduce_only": False,
        "leg": "entry",
        "seq": 0,
        "origin": decision_id,
    }
    return OrderIntent(**(defaults | changes))


def fill(fill_id: str = "1", **changes: Any) -> Fill:
    defaults: dict[str, Any] = {
        "fill_id": fill_id,
        "price": Decimal(100),
        "quantity": Decimal(1),
        "fee": Decimal(1),
        "liquidity": "taker",
        "realized_pnl": Decimal(0),
    }
    return Fill(**(defaults | changes))


def position_event(kind: str = "opened", **changes: Any) -> PositionEvent:
    defaults: dict[str, Any] = {
        "event_id": "pos-1",
        "kind": kind,
        "account_id": "acc1",
        "account_version": 1,
        "symbol": "BTCUSDT",
        "cause": OrderReason.DECISION,
        "realized_pnl": Decimal(0),
        "fee": Decimal(0),
        "funding": Decimal(0),
        "wallet_balance": Decimal(10_000),
        "equity": Decimal(10_000),
        "decision_id": "dec-1",
        "correlation_id": "cor-1",
        "at": T0,
    }
    return PositionEvent(**(defaults | changes))
