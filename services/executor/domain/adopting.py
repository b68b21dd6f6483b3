"""Taking over positions that were at the venue before us, with stops and targets where theirs are."""

from dataclasses import replace
from datetime import datetime

from libs.perps.margin import initial_margin
from libs.perps.sides import closing
from libs.schemas import ids
from libs.schemas.account import Leg, Position
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import Holding, WorkingOrder, cents
from services.executor.domain.changes import Correction, PositionChange, Turn
from services.executor.domain.protection import replace_leg
from services.executor.domain.reconcile import Foreign
from services.executor.domain.replies import OrderReport, PositionReport

ORIGIN = "adopted"
LEGS: dict[str, Leg] = {"stop_market": "stop", "take_profit_market": "target"}


def adopted(turn: Turn, foreign: Foreign, now: datetime) -> Turn:
    """The books with a position that is not ours, or with a stop or target like the one that rests for it.

    Any other order stays foreign. A position without a stop is closed at market after the grace, like every other.
    """
    match foreign.found:
        case PositionReport() if foreign.symbol not in turn.book.positions:
            return _position(turn, foreign.found, now)
        case OrderReport() if foreign.found.reduce_only and foreign.found.type in LEGS:
            return _order(turn, foreign.found, now)
        case _:
            return turn


def _position(turn: Turn, report: PositionReport, now: datetime) -> Turn:
    margin = report.margin or initial_margin(report.quantity, report.entry_price, report.leverage)
    held = Position(
        symbol=report.symbol,
        side=report.side,
        quantity=report.quantity,
        entry_price=report.entry_price,
        leverage=report.leverage,
        margin=cents(margin),
        liquidation_price=report.liquidation_price,
        opened_at=now,
        decision_id=ORIGIN,
    )
    holding = Holding(held, ORIGIN, entered=report.quantity, peak_margin=held.margin)
    book = replace(turn.book, positions={**turn.book.positions, report.symbol: holding})
    wallet = book.wallet
    change = PositionChange(
        "opened", report.symbol, None, held, OrderReason.STATE_CHANGED, ORIGIN, wallet=wallet, equity=wallet
    )
    why = "the position was at the venue and is taken over"
    return turn.then(book, change, Correction(f"position {report.symbol}", "", f"{report.quantity:f}", why))


def _order(turn: Turn, report: OrderReport, now: datetime) -> Turn:
    """Theirs is left alone; ours, at the same price, covers the position."""
    holding = turn.book.positions.get(report.symbol)
    if holding is None or report.stop_price is None:
        return turn
    leg, held, account = LEGS[report.type], holding.position, turn.book.account_id
    intent = OrderIntent(
        client_order_id=ids.client_order_id(account, ORIGIN, report.symbol, leg, 0),
        decision_id=ORIGIN,
        account_id=account,
        symbol=report.symbol,
        side=closing(held.side),
        type=report.type,
        quantity=held.quantity,
        stop_price=report.stop_price,
        time_in_force="gtc",
        reduce_only=True,
        leg=leg,
        seq=0,
        origin=ORIGIN,
        position_id=ORIGIN,
        state_times={"new": now},
    )
    return replace_leg(turn, WorkingOrder(intent, ORIGIN, now, held.leverage, report.stop_price), now)
