"""What an account remembers: its last trades, and each position from open to flat."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from libs.schemas.account import ClosedTrade, TradeHistory
from libs.schemas.reasons import OrderReason
from libs.strategies.invalidation import conditions
from services.executor.domain.book import AccountBook, Holding
from services.executor.domain.performance import performance

KEEP_CLOSED = 500
KEEP_TRADES = 20
PRICE_DIGITS = Decimal("1e-12")


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
        entry_price=last.entry_price,
        exit_price=(holding.exit_value / holding.exited).quantize(PRICE_DIGITS),
        margin=holding.peak_margin,
        pnl=last.realized_pnl - last.fees + last.funding,
        fees=last.fees,
        funding=last.funding,
        opened_at=last.opened_at,
        closed_at=at,
        decision_id=last.decision_id,
        strategy_id=last.strategy_id,
        reason=reason,
        conditions=conditions(last.invalidation),
    )
    closed = (*book.closed_trades, trade)[-KEEP_CLOSED:]
    return replace(book, closed_trades=closed, performance=performance(closed, book.initial_balance))
