"""What a position lives on and where it dies: isolated by its own margin, cross by the whole account."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from libs.perps.entry import readable
from libs.perps.fees import fee
from libs.perps.margin import cross_wallet, liquidation_price, maintenance_margin, order_cost
from libs.perps.sides import opened_by
from libs.schemas.account import Position
from services.executor.domain.book import (
    ZERO,
    AccountBook,
    Holding,
    WorkingOrder,
    available,
    cents,
    order_margin,
    profit,
)
from services.executor.domain.quote import Market

FOLLOWED = Decimal("0.001")  # the shown liquidation price follows the others' marks in steps of a thousandth


def free(book: AccountBook, market: Market) -> Decimal:
    """What new orders may take: with cross margin less what the open positions have lost so far."""
    if book.margin_mode == "isolated":
        return available(book)
    return available(book) + min(ZERO, sum((_pnl(s, h, market) for s, h in book.positions.items()), ZERO))


def effective_leverage(book: AccountBook, order: WorkingOrder) -> Decimal:
    """The leverage that an entry will have: that of the position that it adds to, else its own."""
    holding = book.positions.get(order.intent.symbol)
    adds = holding is not None and holding.position.side == opened_by(order.intent.side)
    return holding.position.leverage if holding is not None and adds else order.leverage


def needed(book: AccountBook, order: WorkingOrder, quantity: Decimal, price: Decimal, market: Market) -> Decimal:
    """What a fill at this price takes from what is free: margin, opening loss and fee."""
    intent, filters = order.intent, market.rules[order.intent.symbol].filters
    mark = market.mark(intent.symbol) or price
    cost = order_cost(opened_by(intent.side), quantity, price, mark, effective_leverage(book, order))
    return cost + fee(quantity, price, filters.taker_fee_bps)


def affordable(book: AccountBook, order: WorkingOrder, quantity: Decimal, price: Decimal, market: Market) -> bool:
    """Whether an entry that is in the book already can be paid at this price, with what is held back for it.

    An opening loss is not asked for: a position bears it from its own margin. Of an order that turns a position around
    the part beyond it is paid from what is left when that is closed.
    """
    intent, filters = order.intent, market.rules[order.intent.symbol].filters
    holding = book.positions.get(intent.symbol)
    left, opens = book, quantity
    if holding and holding.position.side != opened_by(intent.side):
        left, opens = _closed(book, holding, price, filters.taker_fee_bps), quantity - holding.position.quantity
    if intent.reduce_only or opens <= 0:
        return True
    margin = opens * price / effective_leverage(book, order)
    held = order_margin(order) * quantity / order.left if intent.client_order_id in book.orders else ZERO
    return margin + fee(opens, price, filters.taker_fee_bps) <= free(left, market) + held


def _closed(book: AccountBook, holding: Holding, price: Decimal, fee_bps: Decimal) -> AccountBook:
    """The book without a position that was closed at the price as a taker."""
    at = holding.position
    earned = profit(holding, price) - fee(at.quantity, price, fee_bps)
    wallet = book.wallet + earned + excess_loss(book, at.symbol, earned)
    return replace(book, wallet=wallet, positions={s: h for s, h in book.positions.items() if s != at.symbol})


def uncovered(book: AccountBook, symbol: str | None, paid: Decimal) -> Decimal:
    """What funding or a fee takes (negative) beyond what is there for it: what is free, then a position's own margin.

    `symbol` is None where the position is gone: one that was opened since has nothing to do with it. While other cross
    positions are open their profits may cover it: `solvent` then settles the account as a whole.
    """
    others = [h.position.margin for s, h in book.positions.items() if s != symbol]
    if book.margin_mode == "cross" and others:
        return ZERO
    return max(ZERO, -(book.wallet - sum(others, ZERO) + paid))


def excess_loss(book: AccountBook, symbol: str, earned: Decimal) -> Decimal:
    """What closing (a part of) a position loses beyond what it may: an isolated one its margin and nothing of what is
    free, a cross one what its account has. Of a live venue only the balances tell what it bore."""
    if book.margin_mode == "isolated" and book.mode == "paper":
        return max(ZERO, -(book.positions[symbol].position.margin + earned))
    return uncovered(book, symbol, earned)


def margin_left(book: AccountBook, at: Position, rest: Decimal, earned: Decimal) -> Decimal:
    """The margin of the `rest` of a position after a part of it was closed: its share, less what that part lost beyond
    its own. `earned` is net of what the venue bears."""
    share = cents(at.margin * rest / at.quantity)
    return share if book.margin_mode == "cross" else max(ZERO, min(share, at.margin + earned))


def shortage(book: AccountBook, symbol: str, market: Market) -> Decimal:
    """How far the margin balance is below the maintenance margin; at 0 or above a position is liquidated."""
    holding, rules = book.positions[symbol], market.rules[symbol]
    mark = market.mark(symbol)
    if mark is None:
        return -book.wallet
    balance = _living(book, symbol, market) + profit(holding, mark)
    return maintenance_margin(holding.position.quantity, mark, rules.tiers) - balance


def maintenance(at: Position, market: Market) -> Decimal:
    """The maintenance margin at the newest mark, at the entry where there is none."""
    rules = market.rules.get(at.symbol)
    mark = market.mark(at.symbol) or at.entry_price
    return maintenance_margin(at.quantity, mark, rules.tiers) if rules else ZERO


def repriced(book: AccountBook, symbol: str, market: Market) -> AccountBook:
    """The book whose positions name their liquidation prices: with cross margin a change of one moves all of them."""
    names: Iterable[str] = (symbol,) if book.margin_mode == "isolated" else tuple(book.positions)
    positions = dict(book.positions)
    for name in names:
        if name in positions and name in market.rules:
            held = positions[name]
            positions[name] = replace(held, position=_priced(book, held.position, market))
    return replace(book, positions=positions)


def following(book: AccountBook, market: Market) -> AccountBook:
    """The book whose cross positions' liquidation prices have followed the marks of the others."""
    if book.margin_mode == "isolated" or len(book.positions) < 2:
        return book
    for symbol, holding in book.positions.items():
        if symbol in market.rules:
            old, new = holding.position.liquidation_price, _priced(book, holding.position, market).liquidation_price
            if (old is None) != (new is None) or (old and new and abs(new - old) > old * FOLLOWED):
                return repriced(book, symbol, market)
    return book


def _priced(book: AccountBook, at: Position, market: Market) -> Position:
    wallet, tiers = _living(book, at.symbol, market), market.rules[at.symbol].tiers
    price = liquidation_price(at.side, at.quantity, at.entry_price, wallet, tiers)
    return at.model_copy(update={"liquidation_price": readable(price) if price else None})


def _living(book: AccountBook, symbol: str, market: Market) -> Decimal:
    """The wallet that stands behind a position."""
    if book.margin_mode == "isolated":
        return book.positions[symbol].position.margin
    others = {s: h for s, h in book.positions.items() if s != symbol}
    needed_by_others = sum((maintenance(h.position, market) for h in others.values()), ZERO)
    return cross_wallet(book.wallet, needed_by_others, sum((_pnl(s, h, market) for s, h in others.items()), ZERO))


def _pnl(symbol: str, holding: Holding, market: Market) -> Decimal:
    return profit(holding, market.mark(symbol))
