"""Liquidation and funding: what a venue does to an open position by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from libs.perps.fees import fee
from libs.perps.funding import payment
from libs.perps.sides import closing, sign
from libs.schemas import ids
from libs.schemas.account import Position, PositionSide
from libs.schemas.market import FundingUpdate
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from services.executor.domain import exposures
from services.executor.domain.book import ZERO, AccountBook, Holding, WorkingOrder, available, cents, equity, with_order
from services.executor.domain.changes import OrderChange, PositionChange, Turn
from services.executor.domain.days import begun, paid_on
from services.executor.domain.fills import Execution, fill
from services.executor.domain.history import funded_late
from services.executor.domain.margins import following, maintenance, repriced, shortage, uncovered
from services.executor.domain.protection import cancel
from services.executor.domain.quote import Market, Quote, taker_price


@dataclass(frozen=True, slots=True)
class _Exit:
    """What closing a whole position at the market does: its price, its profit and its clearance fee."""

    symbol: str
    price: Decimal
    realised: Decimal
    clearance: Decimal

    @property
    def earned(self) -> Decimal:
        return self.realised - self.clearance


def liquidate(turn: Turn, quote: Quote, market: Market) -> Turn:
    """Where the margin balance at the marks is at or below the maintenance margin: cancel the orders and close at the
    market. No exit is better than what traded; what a position loses beyond what it may lose, the clearance fee
    included, is the venue's loss, kept as insolvency.

    An isolated position may lose its margin. Cross positions share one wallet: the largest goes first, the others while
    the account still lacks margin, and what the wallet cannot pay is borne for each in proportion to its loss.
    """
    asked = (quote.symbol,) if turn.book.margin_mode == "isolated" else turn.book.positions
    if any(quote.at < _changed(turn.book, s) for s in asked if s in turn.book.positions):
        return turn  # a late tick tells of a time before what is held now
    if turn.book.margin_mode == "isolated":
        return _isolated(turn, quote, market)
    turn = replace(turn, book=following(turn.book, market))
    exits = _cross_exits(turn.book, market)
    return _closed_out(turn, exits, turn.book.wallet, quote.at, market) if exits else turn


def _changed(book: AccountBook, symbol: str) -> datetime:
    """Since when a position is what it is."""
    return exposures.changed_at(book, symbol) or book.positions[symbol].position.opened_at


def solvent(turn: Turn, at: datetime, market: Market) -> Turn:
    """The turn after an exit that took more than a cross wallet had: the others' profits pay for it, or the venue."""
    if turn.book.wallet >= 0 or turn.book.margin_mode == "isolated":
        return turn
    exits = _cross_exits(turn.book, market)
    return _closed_out(turn, exits, turn.book.wallet, at, market) if exits else turn


def _isolated(turn: Turn, quote: Quote, market: Market) -> Turn:
    holding = turn.book.positions.get(quote.symbol)
    if holding is None or shortage(turn.book, quote.symbol, market) < 0:
        return turn
    return _closed_out(turn, [_exit(holding, quote, market)], holding.position.margin, quote.at, market)


def _cross_exits(book: AccountBook, market: Market) -> list[_Exit]:
    """The positions that have to go, largest first, until what is left has margin enough and the wallet is not below 0.

    A wallet below 0 without any loss of margin is what an exit left behind whose loss others' profits cover: they go.
    """
    needs = {s: maintenance(h.position, market) for s, h in book.positions.items() if s in market.quotes}
    exits: list[_Exit] = []
    left = book
    for symbol in sorted(needs, key=lambda s: needs[s], reverse=True):
        if left.wallet >= 0 and shortage(left, symbol, market) < 0:
            break
        gone = _exit(book.positions[symbol], market.quotes[symbol], market)
        exits.append(gone)
        others = {s: h for s, h in left.positions.items() if s != symbol}
        left = replace(left, positions=others, wallet=left.wallet + gone.earned)
    return exits


def _exit(holding: Holding, quote: Quote, market: Market) -> _Exit:
    at = holding.position
    filters = market.rules[at.symbol].filters
    price = taker_price(quote, closing(at.side), filters, at.quantity)
    realised = cents(sign(at.side) * (at.quantity * price - holding.spent))
    return _Exit(at.symbol, price, realised, cents(fee(at.quantity, price, filters.liquidation_fee_bps)))


def _closed_out(turn: Turn, exits: list[_Exit], stake: Decimal, at: datetime, market: Market) -> Turn:
    """The turn after these positions were closed, profits first: no wallet is below 0 in between."""
    gone = {e.symbol for e in exits}
    for order in tuple(turn.book.orders.values()):
        entry_of_cross = turn.book.margin_mode == "cross" and not order.intent.reduce_only
        if order.intent.symbol in gone or entry_of_cross:
            turn = cancel(turn, order, OrderReason.LIQUIDATION, at)
    relief = _relief(exits, stake)
    for leaving in sorted(exits, key=lambda e: e.earned, reverse=True):
        holding = turn.book.positions[leaving.symbol]
        origin = f"liquidation:{leaving.symbol}:{turn.book.version}"
        order = closing_order(turn.book, holding, origin, at, created=at)
        borne = relief.get(leaving.symbol, ZERO)
        detail = f"insolvency {borne:f}" if borne else ""
        placed = OrderChange("placed", order.intent, order.correlation_id, OrderReason.LIQUIDATION, detail)
        turn = turn.then(with_order(turn.book, order), placed)
        cause, quantity = OrderReason.LIQUIDATION, holding.position.quantity
        match = Execution(order, leaving.price, quantity, maker=False, cause=cause, at=at, relief=borne)
        turn = fill(turn, match, market)
    return turn


def _relief(exits: list[_Exit], stake: Decimal) -> Mapping[str, Decimal]:
    """What the venue bears of each loss: together all that `stake` and the profits cannot pay."""
    short = max(ZERO, -(stake + sum((e.earned for e in exits), ZERO)))
    losses = [e for e in exits if e.earned < 0]
    lost = -sum((e.earned for e in losses), ZERO)
    shares, given = {}, ZERO
    for loss in losses:
        share = short - given if loss is losses[-1] else cents(short * -loss.earned / lost)
        shares[loss.symbol], given = share, given + share
    return shares


def fund(turn: Turn, update: FundingUpdate, market: Market) -> Turn:
    """Pay or receive −s·q·M·rate once per boundary, on what was held at it, however late and in which order ever the
    boundaries are told. What the position cannot pay is insolvency."""
    symbol, boundary = update.symbol, update.funding_time
    turn = begun(turn, market, boundary)
    book = exposures.seeded(turn.book, symbol)
    held = exposures.held_at(book, symbol, boundary)
    mark = Decimal(str(update.mark_price)) if update.mark_price else market.mark(symbol)
    if held == 0 or mark is None or exposures.is_told(book, symbol, boundary):
        return turn
    side: PositionSide = "long" if held > 0 else "short"
    paid = cents(payment(side, abs(held), mark, Decimal(str(update.rate))))
    holding = book.positions.get(symbol)
    there = holding is not None and holding.position.opened_at <= boundary
    relief = uncovered(book, symbol if there else None, paid)
    book = _moved(exposures.told(book, symbol, boundary), symbol, boundary, paid, relief)
    if not there or holding is None:
        book, trade = funded_late(book, symbol, boundary, paid + relief)
        change = _funded(book, symbol, market, paid, relief)
        told = replace(change, closed=trade, correlation_id=trade.decision_id if trade else change.correlation_id)
        return solvent(turn.then(book, told), market.now, market)
    charged = replace(
        holding, position=_charged(turn.book, holding.position, paid), insolvency=holding.insolvency + relief
    )
    book = repriced(replace(book, positions={**book.positions, symbol: charged}), symbol, market)
    change = _funded(book, symbol, market, paid, relief)
    after = book.positions[symbol].position
    told = replace(change, before=holding.position, after=after, correlation_id=holding.correlation_id)
    return solvent(turn.then(book, told), market.now, market)


def _moved(book: AccountBook, symbol: str, boundary: datetime, paid: Decimal, relief: Decimal) -> AccountBook:
    return replace(
        book,
        wallet=book.wallet + paid + relief,
        funding_total=book.funding_total + paid,
        insolvency=book.insolvency + relief,
        day=paid_on(book, boundary, paid + relief),
        funded={**book.funded, symbol: boundary},
    )


def _charged(book: AccountBook, before: Position, paid: Decimal) -> Position:
    """Funding comes from what is free; what that lacks, from an isolated position's own margin."""
    after = before.model_copy(update={"funding": before.funding + paid})
    lacking = max(ZERO, min(before.margin, -(available(book) + paid)))
    if lacking == 0 or book.margin_mode == "cross":
        return after
    return after.model_copy(update={"margin": cents(before.margin - lacking)})


def _funded(book: AccountBook, symbol: str, market: Market, paid: Decimal, relief: Decimal) -> PositionChange:
    return PositionChange(
        kind="changed",
        symbol=symbol,
        before=None,
        after=None,
        cause=OrderReason.FUNDING,
        correlation_id=f"funding:{symbol}",
        wallet=book.wallet,
        equity=equity(book, {s: market.mark(s) for s in book.positions}),
        funding=paid,
        insolvency=relief,
    )


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
