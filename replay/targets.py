"""Targets on the paper venue's books: a market order at each change, at the bar's close, with margins and fees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from libs.schemas import ids
from libs.schemas.account import Account, Side
from libs.schemas.orders import Fill, OrderIntent
from libs.schemas.venue import VenueSymbol
from replay.arrays import Floats
from services.executor.domain import paper
from services.executor.domain.book import AccountBook, WorkingOrder, new_book
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.performance import performance
from services.executor.domain.quote import Market, Quote, SymbolRules, rules_of


@dataclass(frozen=True, slots=True)
class TargetRun:
    """The book at the end, and each fill with its bar."""

    book: AccountBook
    fills: Sequence[tuple[int, Side, Fill]]


@dataclass(frozen=True, slots=True)
class CloseColumn:
    """Closes of one symbol; bar `n` closes at `first` + (n + 1) · `step`."""

    symbol: str
    closes: Floats
    first: datetime
    step: timedelta = timedelta(minutes=1)


def trade_on_books(
    bars: CloseColumn, targets: NDArray[np.int8], quantity: Decimal, account: Account, filters: VenueSymbol
) -> TargetRun:
    """The venue is touched only where the target changes; a target of the other side turns the position around."""
    rules = {bars.symbol: rules_of(filters)}
    book = new_book(account, performance((), account.initial_balance), bars.first)
    before = np.concatenate((np.zeros(1, np.int8), targets[:-1]))
    fills: list[tuple[int, Side, Fill]] = []
    for bar in np.flatnonzero(targets != before).tolist():
        change = int(targets[bar]) - int(before[bar])
        turn = _traded(book, bars, bar, quantity * change, rules, account.leverage)
        fills += [(bar, _side(change), c.fill) for c in turn.changes if isinstance(c, OrderChange) and c.fill]
        book = turn.book
    return TargetRun(book, fills)


def _traded(
    book: AccountBook, bars: CloseColumn, bar: int, quantity: Decimal, rules: dict[str, SymbolRules], leverage: Decimal
) -> Turn:
    at, price = bars.first + (bar + 1) * bars.step, Decimal(repr(float(bars.closes[bar])))
    quote = Quote(bars.symbol, price, price, None, None, at, bar + 1)
    order = _order(book.account_id, bars.symbol, bar, quantity, quote, leverage)
    return paper.submit(Turn(book), order, Market({bars.symbol: quote}, rules, at))


def _order(account_id: str, symbol: str, bar: int, quantity: Decimal, quote: Quote, leverage: Decimal) -> WorkingOrder:
    origin = f"target:{symbol}:{bar}"
    intent = OrderIntent(
        client_order_id=ids.client_order_id(account_id, origin, symbol, "entry", 0),
        decision_id=origin,
        account_id=account_id,
        symbol=symbol,
        side=_side(quantity),
        type="market",
        quantity=abs(quantity),
        time_in_force="ioc",
        reduce_only=False,
        leg="entry",
        seq=0,
        origin=origin,
    )
    return WorkingOrder(intent, origin, quote.at, leverage, quote.price)


def _side(change: Decimal | int) -> Side:
    return "buy" if change > 0 else "sell"
