"""What an account remembers: its last trades, and each position from open to flat."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from libs.perps.entry import average
from libs.schemas.account import ClosedTrade, PerformanceMetrics, TradeHistory
from libs.schemas.reasons import OrderReason
from libs.strategies.invalidation import conditions
from services.executor.domain.book import AccountBook, Holding, WorkingOrder
from services.executor.domain.performance import performance, running

KEEP_CLOSED = 500
KEEP_TRADES = 20


def traded(book: AccountBook, trade: TradeHistory) -> AccountBook:
    """The book with a fill among the symbol's last 20."""
    trades = (*book.recent_trades.get(trade.symbol, ()), trade)[-KEEP_TRADES:]
    return replace(book, recent_trades={**book.recent_trades, trade.symbol: trades})


def archived(book: AccountBook, holding: Holding, at: datetime, reason: OrderReason) -> AccountBook:
    """The book with a flat position among its last 500 closed trades, and the performance over them."""
    last = holding.position
    trade = ClosedTrade(
        symbol=last.symbol,
        side=last.side,
        quantity=holding.exited,
        entry_price=average(holding.entered_value, holding.entered),
        exit_price=average(holding.exit_value, holding.exited),
        margin=holding.peak_margin,
        pnl=last.realized_pnl - last.fees + last.funding + holding.insolvency,
        fees=last.fees,
        funding=last.funding,
        insolvency=holding.insolvency,
        opened_at=last.opened_at,
        closed_at=at,
        decision_id=last.decision_id,
        strategy_id=last.strategy_id,
        reason=reason,
        conditions=conditions(last.invalidation),
    )
    closed = (*book.closed_trades, trade)[-KEEP_CLOSED:]
    return replace(book, closed_trades=closed, performance=_seen(book, closed, trade.pnl))


def _seen(book: AccountBook, closed: tuple[ClosedTrade, ...], made: Decimal) -> PerformanceMetrics:
    """The performance over the trades that are kept, with the figures that go on; `made` is what they made more."""
    known = running(book.performance, book.closed_trades, made, book.initial_balance)
    return performance(closed, book.initial_balance).model_copy(update=known)


def funded_late(
    book: AccountBook, symbol: str, boundary: datetime, paid: Decimal
) -> tuple[AccountBook, ClosedTrade | None]:
    """The book in which a position that is closed by now has paid at a boundary, and that trade as it was.

    None where nobody remembers it: the money has moved all the same.
    """
    for n, trade in enumerate(book.closed_trades):
        if trade.symbol == symbol and trade.opened_at <= boundary <= trade.closed_at:
            after = trade.model_copy(update={"funding": trade.funding + paid, "pnl": trade.pnl + paid})
            closed = (*book.closed_trades[:n], after, *book.closed_trades[n + 1 :])
            return replace(book, closed_trades=closed, performance=_seen(book, closed, paid)), trade
    return book, None


def entered_at(book: AccountBook, order: WorkingOrder) -> datetime:
    """When the newest filled entry was placed: a later fill of a ladder's rung does not make it a new entry."""
    known = book.last_entry_at.get(order.intent.symbol)
    return order.created_at if known is None else max(known, order.created_at)


def hold_until(order: WorkingOrder, at: datetime) -> datetime | None:
    """When a position that an order opens at a time has been held long enough."""
    return None if order.max_hold_minutes is None else at + timedelta(minutes=order.max_hold_minutes)
