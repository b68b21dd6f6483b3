"""Trades: one document for each position from open to flat, summed up from its events in whatever order they come."""

from datetime import UTC, datetime
from decimal import Decimal

from libs.records.collections import TRADES
from libs.schemas.account import Position
from libs.schemas.orders import PositionEvent
from services.ledger.domain.upserts import Count, Upsert, Value

ZERO = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENDS = ("closed", "liquidated")


def trade_changed(body: PositionEvent, received: datetime) -> tuple[Upsert, ...]:
    """The document of the position that the event is about; `closed_at` is there once it is flat."""
    position = body.before or body.after
    if position is None:
        return () if body.opened_at is None else (_funded_late(body, body.opened_at, received),)
    fields: dict[str, Value] = {
        "account_id": body.account_id,
        "symbol": body.symbol,
        "side": position.side,
        "opened_at": position.opened_at,
        "decision_id": position.decision_id,
    }
    if body.kind in ENDS:
        fields |= {"closed_at": body.at, "liquidated": body.kind == "liquidated", "ended_by": str(body.cause)}
        fields |= {"entry_price": position.entry_price, "exit_price": _left_at(position, body.realized_pnl)}
    summed = {
        "pnl": body.realized_pnl - body.fee + body.funding + body.insolvency,
        "fees": body.fee,
        "funding": body.funding,
        "volume": _traded(body.before, body.after, body.realized_pnl),
        "margin": _committed(body.before, body.after),
    }
    counted = Count("event_ids", body.event_id, summed)
    return (
        Upsert(
            TRADES,
            trade_id(body, position.opened_at),
            set=fields,
            earliest={"received_at": received},
            guards=(counted,),
        ),
    )


def _funded_late(body: PositionEvent, opened_at: datetime, received: datetime) -> Upsert:
    """Funding that a position owed which is closed by now."""
    counted = Count("event_ids", body.event_id, {"pnl": body.funding + body.insolvency, "funding": body.funding})
    fields: dict[str, Value] = {"account_id": body.account_id, "symbol": body.symbol}
    return Upsert(TRADES, trade_id(body, opened_at), set=fields, earliest={"received_at": received}, guards=(counted,))


def trade_id(body: PositionEvent, opened_at: datetime) -> str:
    """A position is named by its account, its symbol and the moment at which it was opened."""
    opened = (opened_at - _EPOCH) // (datetime.resolution * 1000)
    return f"{body.account_id}|{body.symbol}|{opened}"


def _traded(before: Position | None, after: Position | None, realised: Decimal) -> Decimal:
    """Notional that the event moved: what was added at its price, or what was taken off at the price that its profit
    says, to the rounding of that profit."""
    had, has = before.quantity if before else ZERO, after.quantity if after else ZERO
    if has > had and after is not None:
        return has * after.entry_price - (had * before.entry_price if before else ZERO)
    if before is None or has == had:
        return ZERO
    at_entry = (had - has) * before.entry_price
    return at_entry + (realised if before.side == "long" else -realised)


def _left_at(position: Position, realised: Decimal) -> Decimal:
    """The price at which the rest of a position went, as its profit says, to twelve significant digits."""
    won = realised if position.side == "long" else -realised
    return Decimal(f"{position.entry_price + won / position.quantity:.12g}")


def _committed(before: Position | None, after: Position | None) -> Decimal:
    """Margin that was added with quantity."""
    had, has = before.quantity if before else ZERO, after.quantity if after else ZERO
    return after.margin - (before.margin if before else ZERO) if after is not None and has > had else ZERO
