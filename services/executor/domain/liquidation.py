"""Liquidation and funding: what a venue does to an open position by itself."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from libs.perps.funding import payment
from libs.perps.margin import bankruptcy_price, liquidatable
from libs.perps.sides import closing
from libs.schemas import ids
from libs.schemas.account import Position
from libs.schemas.market import FundingUpdate
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import ZERO, AccountBook, Holding, WorkingOrder, available, cents, equity, with_order
from services.executor.domain.changes import OrderChange, PositionChange, Turn
from services.executor.domain.fills import Execution, fill, repriced
from services.executor.domain.protection import cancel
from services.executor.domain.quote import Market, Quote, taker_price


def liquidate(turn: Turn, quote: Quote, market: Market) -> Turn:
    """Where the margin balance at the mark is at or below the maintenance margin: cancel the symbol's orders, close at
    the bankruptcy price or better. What the market lacks beyond it is the venue's loss, kept as insolvency."""
    holding = turn.book.positions.get(quote.symbol)
    if holding is None or not is_liquidatable(holding.position, quote.mark, market):
        return turn
    for order in turn.book.of(quote.symbol):
        turn = cancel(turn, order, OrderReason.LIQUIDATION, quote.at)
    at = holding.position
    order = _order(turn.book, holding, quote)
    floor = bankruptcy_price(at.side, at.quantity, at.entry_price, at.margin)
    met = taker_price(quote, order.intent.side, market.rules[at.symbol].filters)
    price = max(met, floor) if at.side == "long" else min(met, floor)
    short = cents(abs(price - met) * at.quantity)
    book = replace(with_order(turn.book, order), insolvency=turn.book.insolvency + short)
    detail = f"insolvency {short}" if short else ""
    turn = turn.then(book, OrderChange("placed", order.intent, order.correlation_id, OrderReason.LIQUIDATION, detail))
    match = Execution(order, price, at.quantity, maker=False, cause=OrderReason.LIQUIDATION, at=quote.at)
    return fill(turn, match, market)


def is_liquidatable(at: Position, mark: Decimal, market: Market) -> bool:
    tiers = market.rules[at.symbol].tiers
    return liquidatable(at.side, at.quantity, at.entry_price, at.margin, mark, tiers)


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
    after = _charged(turn.book, before, paid, market)
    book = replace(
        turn.book,
        wallet=turn.book.wallet + paid,
        funding_total=turn.book.funding_total + paid,
        day=turn.book.day.model_copy(update={"realised": turn.book.day.realised + paid}),
        positions={**turn.book.positions, update.symbol: replace(holding, position=after)},
        funded={**turn.book.funded, update.symbol: update.funding_time},
    )
    return turn.then(book, _funded(book, holding, after, paid, market))


def _charged(book: AccountBook, before: Position, paid: Decimal, market: Market) -> Position:
    """Funding comes from what is free; what that lacks, from the position's own margin."""
    lacking = max(ZERO, min(before.margin, -(available(book) + paid)))
    after = before.model_copy(update={"funding": before.funding + paid})
    if lacking == 0:
        return after
    after = after.model_copy(update={"margin": cents(before.margin - lacking)})
    return repriced(after, market.rules[before.symbol].tiers)


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
