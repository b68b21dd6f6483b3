"""Liquidation and funding: what a venue does to an open position by itself."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from libs.perps.funding import payment
from libs.perps.sides import closing
from libs.schemas import ids
from libs.schemas.account import Position
from libs.schemas.market import FundingUpdate
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import ZERO, AccountBook, Holding, WorkingOrder, available, cents, equity, with_order
from services.executor.domain.changes import OrderChange, PositionChange, Turn
from services.executor.domain.fills import Execution, fill
from services.executor.domain.margins import bankruptcy, is_liquidatable, maintenance, repriced
from services.executor.domain.protection import cancel
from services.executor.domain.quote import Market, Quote, taker_price


def liquidate(turn: Turn, quote: Quote, market: Market) -> Turn:
    """Where the margin balance at the mark is at or below the maintenance margin: cancel the orders, close at the
    bankruptcy price or better. What the market lacks beyond it is the venue's loss, kept as insolvency.

    With cross margin the largest position goes first, and the others only while the account still lacks margin.
    """
    holding = turn.book.positions.get(quote.symbol)
    if holding is None or quote.at < holding.position.opened_at:  # a late tick tells of a time before the position
        return turn
    if not is_liquidatable(turn.book, quote.symbol, quote.mark, market):
        return turn
    if turn.book.margin_mode == "isolated":
        return _closed_out(turn, quote, market)
    for order in tuple(turn.book.orders.values()):
        if not order.intent.reduce_only:
            turn = cancel(turn, order, OrderReason.LIQUIDATION, quote.at)
    while (worst := _worst(turn.book, market)) is not None:
        turn = _closed_out(turn, replace(worst, at=quote.at), market)
    return turn


def _worst(book: AccountBook, market: Market) -> Quote | None:
    """The quote of the cross position that needs the most margin, while the account has too little."""
    needs = {s: maintenance(h.position, market) for s, h in book.positions.items() if s in market.quotes}
    if not needs:
        return None
    worst = max(needs, key=lambda symbol: needs[symbol])
    quote = market.quotes[worst]
    return quote if is_liquidatable(book, worst, quote.mark, market) else None


def _closed_out(turn: Turn, quote: Quote, market: Market) -> Turn:
    for order in turn.book.of(quote.symbol):
        turn = cancel(turn, order, OrderReason.LIQUIDATION, quote.at)
    holding = turn.book.positions[quote.symbol]
    at = holding.position
    order = _order(turn.book, holding, quote)
    floor = bankruptcy(turn.book, quote.symbol, market)
    met = taker_price(quote, order.intent.side, market.rules[at.symbol].filters, at.quantity)
    price = max(met, floor) if at.side == "long" else min(met, floor)
    short = cents(abs(price - met) * at.quantity)
    book = replace(with_order(turn.book, order), insolvency=turn.book.insolvency + short)
    detail = f"insolvency {short}" if short else ""
    turn = turn.then(book, OrderChange("placed", order.intent, order.correlation_id, OrderReason.LIQUIDATION, detail))
    match = Execution(order, price, at.quantity, maker=False, cause=OrderReason.LIQUIDATION, at=quote.at)
    return fill(turn, match, market)


def fund(turn: Turn, update: FundingUpdate, market: Market) -> Turn:
    """Pay or receive −s·q·M·rate once per boundary, on a position that was open at it."""
    holding = turn.book.positions.get(update.symbol)
    if holding is None or holding.position.opened_at > update.funding_time:
        return turn
    last = turn.book.funded.get(update.symbol)
    mark = Decimal(str(update.mark_price)) if update.mark_price else market.mark(update.symbol)
    if mark is None or (last is not None and last >= update.funding_time):
        return turn
    before = holding.position
    due = payment(before.side, before.quantity, mark, Decimal(str(update.rate)))
    paid = max(cents(due), -turn.book.wallet)
    after = _charged(turn.book, before, paid)
    book = replace(
        turn.book,
        wallet=turn.book.wallet + paid,
        funding_total=turn.book.funding_total + paid,
        day=turn.book.day.model_copy(update={"realised": turn.book.day.realised + paid}),
        positions={**turn.book.positions, update.symbol: replace(holding, position=after)},
        funded={**turn.book.funded, update.symbol: update.funding_time},
    )
    book = repriced(book, update.symbol, market)
    return turn.then(book, _funded(book, holding, book.positions[update.symbol].position, paid, market))


def _charged(book: AccountBook, before: Position, paid: Decimal) -> Position:
    """Funding comes from what is free; what that lacks, from an isolated position's own margin."""
    after = before.model_copy(update={"funding": before.funding + paid})
    lacking = max(ZERO, min(before.margin, -(available(book) + paid)))
    if lacking == 0 or book.margin_mode == "cross":
        return after
    return after.model_copy(update={"margin": cents(before.margin - lacking)})


def _funded(book: AccountBook, holding: Holding, after: Position, paid: Decimal, market: Market) -> PositionChange:
    return PositionChange(
        kind="changed",
        symbol=after.symbol,
        before=holding.position,
        after=after,
        cause=OrderReason.FUNDING,
        correlation_id=holding.correlation_id,
        wallet=book.wallet,
        equity=equity(book, {s: market.mark(s) for s in book.positions}),
        funding=paid,
    )


def _order(book: AccountBook, holding: Holding, quote: Quote) -> WorkingOrder:
    return closing_order(book, holding, f"liquidation:{quote.symbol}:{book.version}", quote.at, created=quote.at)


def closing_order(
    book: AccountBook, holding: Holding, origin: str, now: datetime, *, created: datetime
) -> WorkingOrder:
    """The market order by which a venue, or a control, closes a whole position."""
    at = holding.position
    intent = OrderIntent(
        client_order_id=ids.client_order_id(book.account_id, origin, at.symbol, "flatten", 0),
        decision_id=at.decision_id,
        account_id=book.account_id,
        symbol=at.symbol,
        side=closing(at.side),
        type="market",
        quantity=at.quantity,
        time_in_force="ioc",
        reduce_only=True,
        leg="flatten",
        seq=0,
        origin=origin,
        position_id=at.decision_id,
        state="open",
        state_times={"open": now},
    )
    return WorkingOrder(intent, holding.correlation_id, created, at.leverage, at.entry_price)
