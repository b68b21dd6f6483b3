"""What must not rest at a venue, whatever went wrong before: a cancel that got no answer is asked for again."""

from datetime import datetime

from libs.schemas.reasons import OrderReason
from services.executor.domain.changes import Turn
from services.executor.domain.control import without_entries
from services.executor.domain.protection import TYPES, cancel, standing


def tidied(turn: Turn, now: datetime) -> Turn:
    """No exits without a position, one stop and one target for each, and no entries where none are allowed."""
    for order in tuple(turn.book.orders.values()):
        if order.intent.leg in TYPES and order.intent.symbol not in turn.book.positions:
            turn = cancel(turn, order, OrderReason.POSITION_CLOSED, now)
    for symbol in turn.book.positions:
        for leg in ("stop", "target"):
            for old in standing(turn.book, symbol, leg)[:-1]:
                turn = cancel(turn, old, OrderReason.REPLACED, now)
    return without_entries(turn, now) if turn.book.trading_state != "active" else turn
