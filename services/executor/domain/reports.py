"""The paper account as a venue would report it."""

from collections.abc import Iterator
from decimal import Decimal

from libs.schemas.account import MarginMode, Position
from services.executor.domain.book import WorkingOrder, available
from services.executor.domain.changes import OrderChange, PositionChange, Turn
from services.executor.domain.replies import (
    Balances,
    FillReport,
    FundingPaid,
    OrderReport,
    PositionReport,
    VenueEvent,
)

ZERO = Decimal(0)


def order(working: WorkingOrder) -> OrderReport:
    """A working order."""
    intent = working.intent
    return OrderReport(
        client_order_id=intent.client_order_id,
        venue_order_id=intent.venue_order_id,
        symbol=intent.symbol,
        side=intent.side,
        type=intent.type,
        quantity=intent.quantity,
        filled=working.filled,
        state=intent.state,
        reduce_only=intent.reduce_only,
        price=intent.price,
        stop_price=intent.stop_price,
        at=max(intent.state_times.values(), default=working.created_at),
    )


def position(at: Position, mode: MarginMode, mark: Decimal | None = None) -> PositionReport:
    """An open position."""
    return PositionReport(
        symbol=at.symbol,
        side=at.side,
        quantity=at.quantity,
        entry_price=at.entry_price,
        leverage=at.leverage,
        margin_mode=mode,
        margin=at.margin if mode == "isolated" else None,
        mark_price=mark,
        liquidation_price=at.liquidation_price,
    )


def told(turn: Turn) -> Iterator[VenueEvent]:
    """What a venue's user stream says of a turn, in order; the balances end it where money moved."""
    money = False
    for change in turn.changes:
        if isinstance(change, OrderChange) and change.kind != "denied":
            yield _order(change)
            if change.fill is not None:
                at = change.intent.state_times[change.intent.state]
                yield FillReport(
                    change.intent.client_order_id, change.intent.symbol, change.intent.side, change.fill, at
                )
        elif isinstance(change, PositionChange):
            money = True
            if change.funding:
                yield FundingPaid(change.symbol, change.funding, turn.book.funded[change.symbol])
            if change.after is not None:
                yield position(change.after, turn.book.margin_mode)
    if money:
        yield Balances(turn.book.wallet, available(turn.book))


def _order(change: OrderChange) -> OrderReport:
    intent, fill = change.intent, change.fill
    return OrderReport(
        client_order_id=intent.client_order_id,
        venue_order_id=intent.venue_order_id,
        symbol=intent.symbol,
        side=intent.side,
        type=intent.type,
        quantity=intent.quantity,
        filled=intent.quantity if intent.state == "filled" else (fill.quantity if fill else ZERO),
        state=intent.state,
        reduce_only=intent.reduce_only,
        price=intent.price,
        stop_price=intent.stop_price,
        average=fill.price if fill else None,
        at=intent.state_times.get(intent.state),
    )
