"""Orders, fills, positions and equity. Money is Decimal here, Decimal128 in MongoDB: it can be summed there."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from libs.records.collections import EQUITY, FILLS, ORDERS, POSITIONS
from libs.schemas.base import Wire
from libs.schemas.context import TradingContext
from libs.schemas.orders import TERMINAL_STATES, Fill, OrderEvent, PositionEvent
from services.ledger.domain.trades import trade_changed
from services.ledger.domain.upserts import Advance, Count, Upsert, Upserts, Value

_STATES = ("new", "submitting", "unknown", "open", "partially_filled", "filled", "canceled", "expired", "rejected")
_NONE_YET: dict[str, Value] = {
    "filled": Decimal(0),
    "filled_notional": Decimal(0),
    "fee": Decimal(0),
    "realized_pnl": Decimal(0),
    "fill_ids": [],
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def order_changed(body: OrderEvent, received: datetime) -> Upserts:
    intent = body.intent
    order = Upsert(
        ORDERS,
        intent.client_order_id,
        set={
            "account_id": body.account_id,
            "decision_id": body.decision_id,
            "correlation_id": body.correlation_id,
            "symbol": intent.symbol,
            "side": intent.side,
            "type": intent.type,
            "time_in_force": intent.time_in_force,
            "reduce_only": intent.reduce_only,
            "leg": intent.leg,
            "seq": intent.seq,
            "origin": intent.origin,
        },
        set_on_insert=_NONE_YET,
        earliest={"created_at": body.at, "received_at": received},
        guards=(_latest(body), *((_counted(body.fill),) if body.fill else ())),
    )
    return (order, _fill(body, body.fill, received)) if body.fill else (order,)


def _latest(body: OrderEvent) -> Advance:
    """What the newest event says; an end of the order is never taken back, whatever comes after it."""
    intent = body.intent
    ended = intent.state in TERMINAL_STATES
    rank = f"{ended:d}{body.account_version:018d}{_STATES.index(intent.state)}:{body.at.isoformat()}:{body.event_id}"
    return Advance(
        rank,
        {
            "state": intent.state,
            "state_times": {state: at.isoformat() for state, at in intent.state_times.items()},
            "quantity": intent.quantity,
            "price": intent.price,
            "stop_price": intent.stop_price,
            "expires_at": intent.expires_at,
            "venue_order_id": intent.venue_order_id,
            "position_id": intent.position_id,
            "kind": body.kind,
            "reason": str(body.reason) if body.reason else None,
            "detail": body.detail,
            "account_version": body.account_version,
            "updated_at": body.at,
        },
    )


def _counted(fill: Fill) -> Count:
    added = {
        "filled": fill.quantity,
        "filled_notional": fill.quantity * fill.price,
        "fee": fill.fee,
        "realized_pnl": fill.realized_pnl,
    }
    return Count("fill_ids", fill.fill_id, added)


def _fill(body: OrderEvent, fill: Fill, received: datetime) -> Upsert:
    fields: dict[str, Value] = {
        "account_id": body.account_id,
        "client_order_id": body.intent.client_order_id,
        "decision_id": body.decision_id,
        "symbol": body.intent.symbol,
        "side": body.intent.side,
        "leg": body.intent.leg,
        "price": fill.price,
        "quantity": fill.quantity,
        "fee": fill.fee,
        "realized_pnl": fill.realized_pnl,
        "liquidity": fill.liquidity,
        "account_version": body.account_version,
        "at": body.at,
        "received_at": received,
    }
    return Upsert(FILLS, fill.fill_id, set_on_insert=fields)


def position_changed(body: PositionEvent, received: datetime) -> Upserts:
    fields: dict[str, Value] = {
        "kind": body.kind,
        "account_id": body.account_id,
        "account_version": body.account_version,
        "symbol": body.symbol,
        "cause": str(body.cause),
        "decision_id": body.decision_id,
        "client_order_id": body.client_order_id,
        "correlation_id": body.correlation_id,
        "before": _wire(body.before),
        "after": _wire(body.after),
        "realized_pnl": body.realized_pnl,
        "fee": body.fee,
        "funding": body.funding,
        "wallet_balance": body.wallet_balance,
        "equity": body.equity,
        "at": body.at,
        "received_at": received,
    }
    rank = f"{body.account_version:018d}:1:{body.event_id}"
    point = _equity(body.account_id, body.at, rank, body.equity, body.wallet_balance, "position")
    return (Upsert(POSITIONS, body.event_id, set_on_insert=fields), point, *trade_changed(body, received))


def equity_of(body: TradingContext) -> Upsert:
    """Equity at the marks of a context; at an equal time and version a position event knows better."""
    account = body.account_state
    rank = f"{account.version:018d}:0:{body.context_id}"
    return _equity(body.account_id, body.timestamp, rank, account.equity, account.balance_usd, "context")


def _equity(account: str, at: datetime, rank: str, equity: Decimal, balance: Decimal, source: str) -> Upsert:
    milliseconds = (at - _EPOCH) // (datetime.resolution * 1000)  # what MongoDB keeps of a time
    values: dict[str, Value] = {"equity": equity, "wallet_balance": balance, "source": source}
    return Upsert(
        EQUITY, f"{account}|{milliseconds}", set={"account_id": account, "at": at}, guards=(Advance(rank, values),)
    )


def _wire(body: Wire | None) -> dict[str, Any] | None:
    return body.model_dump(mode="json", exclude_none=True) if body else None
