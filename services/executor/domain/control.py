"""Controls: what an account may do. Reducing and halted cancel resting entries; exits and protection always stay."""

from dataclasses import replace
from datetime import datetime

from libs.schemas.account import ControlRequested, TradingState
from libs.schemas.reasons import OrderReason
from libs.schemas.subjects import ALL_ACCOUNTS
from services.executor.domain.book import ZERO, AccountBook, equity, marked
from services.executor.domain.changes import StateChange, Turn
from services.executor.domain.liquidation import closing_order
from services.executor.domain.paper import submit
from services.executor.domain.protection import cancel
from services.executor.domain.quote import Market
from services.executor.domain.trading import STRICTNESS, set_state


def control(turn: Turn, body: ControlRequested, market: Market) -> Turn:
    """Set the trading state; `flatten` cancels the entries, closes everything at market and ends halted.

    A control that was done already does nothing. A close that finds no price waits for the next tick, and until then
    the position keeps its stop.
    """
    if body.control_id in (*turn.book.executed, turn.book.control_all):
        return turn
    state = _wanted(body)
    if body.automatic:
        return _tightened(turn, body, state, market)
    turn = set_state(turn, state, who=body.by, why=body.reason)
    turn = replace(turn, book=_done(turn.book, body))
    turn = replace(turn, book=_afresh(turn.book, market)) if state == "active" else without_entries(turn, market.now)
    return flatten(turn, body.control_id, market) if body.state == "flatten" else turn


def _wanted(body: ControlRequested) -> TradingState:
    return body.state if body.state == "active" or body.state == "reducing" else "halted"


def _tightened(turn: Turn, body: ControlRequested, state: TradingState, market: Market) -> Turn:
    """A move that no person asked for: where trading is as strict already, it stays as it is."""
    before = turn.book.trading_state
    turn = replace(turn, book=_done(turn.book, body))
    if STRICTNESS[state] <= STRICTNESS[before]:
        return turn
    book = replace(turn.book, trading_state=state, moved_by=body.by)
    return without_entries(turn.then(book, StateChange(before, state, body.by, body.reason)), market.now)


def _afresh(book: AccountBook, market: Market) -> AccountBook:
    """Whoever lets an account trade again has seen its drawdown and its venue's errors: they are counted from here on.
    The daily loss is not forgiven, it is a limit of the strategy until the day ends."""
    marks = {symbol: market.mark(symbol) for symbol in book.positions}
    return replace(book, peak=max(ZERO, equity(book, marks)), venue_errors=())


def _done(book: AccountBook, body: ControlRequested) -> AccountBook:
    if body.scope == ALL_ACCOUNTS:
        return replace(book, control_all=body.control_id)
    return marked(book, [body.control_id])


def without_entries(turn: Turn, now: datetime) -> Turn:
    """Cancel everything that could open or add to a position."""
    for order in tuple(turn.book.orders.values()):
        if not order.intent.reduce_only:
            turn = cancel(turn, order, OrderReason.CONTROL, now)
    return turn


def flatten(turn: Turn, origin: str, market: Market) -> Turn:
    """Close every position at market."""
    for holding in tuple(turn.book.positions.values()):
        order = closing_order(turn.book, holding, origin, market.now, created=market.now)
        turn = submit(turn, order, market)
    return turn
