"""What a position lives on and where it dies: isolated by its own margin, cross by the whole account."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from libs.perps.margin import (
    bankruptcy_price,
    cross_wallet,
    liquidatable,
    liquidation_price,
    maintenance_margin,
    unrealized_pnl,
)
from libs.schemas.account import Position
from services.executor.domain.book import ZERO, AccountBook, available
from services.executor.domain.quote import Market

DIGITS = Decimal("1e-12")


def free(book: AccountBook, market: Market) -> Decimal:
    """What new orders may take: with cross margin less what the open positions have lost so far."""
    if book.margin_mode == "isolated":
        return available(book)
    open_profit = sum((_pnl(h.position, market) for h in book.positions.values()), ZERO)
    return available(book) + min(ZERO, open_profit)


def is_liquidatable(book: AccountBook, symbol: str, mark: Decimal, market: Market) -> bool:
    """Whether the margin balance at `mark` is at or below the maintenance margin."""
    at = book.positions[symbol].position
    wallet = _living(book, symbol, market)
    return liquidatable(at.side, at.quantity, at.entry_price, wallet, mark, market.rules[symbol].tiers)


def maintenance(at: Position, market: Market) -> Decimal:
    """The maintenance margin at the newest mark, at the entry where there is none."""
    rules = market.rules.get(at.symbol)
    mark = market.mark(at.symbol) or at.entry_price
    return maintenance_margin(at.quantity, mark, rules.tiers) if rules else ZERO


def bankruptcy(book: AccountBook, symbol: str, market: Market) -> Decimal:
    """The price that leaves nothing: of the isolated margin, or of the account. At or below 0: there is none."""
    at = book.positions[symbol].position
    if book.margin_mode == "isolated":
        return bankruptcy_price(at.side, at.quantity, at.entry_price, at.margin)
    profit = sum((_pnl(other, market) for other in _others(book, symbol)), ZERO)
    return bankruptcy_price(at.side, at.quantity, at.entry_price, book.wallet + profit)


def repriced(book: AccountBook, symbol: str, market: Market) -> AccountBook:
    """The book whose positions name their liquidation prices: with cross margin a change of one moves all of them."""
    names: Iterable[str] = (symbol,) if book.margin_mode == "isolated" else tuple(book.positions)
    positions = dict(book.positions)
    for name in names:
        if name in positions and name in market.rules:
            held = positions[name]
            positions[name] = replace(held, position=_priced(book, held.position, market))
    return replace(book, positions=positions)


def _priced(book: AccountBook, at: Position, market: Market) -> Position:
    wallet, tiers = _living(book, at.symbol, market), market.rules[at.symbol].tiers
    price = liquidation_price(at.side, at.quantity, at.entry_price, wallet, tiers)
    return at.model_copy(update={"liquidation_price": price.quantize(DIGITS) if price else None})


def _living(book: AccountBook, symbol: str, market: Market) -> Decimal:
    """The wallet that stands behind a position."""
    if book.margin_mode == "isolated":
        return book.positions[symbol].position.margin
    others = _others(book, symbol)
    needed = sum((maintenance(other, market) for other in others), ZERO)
    return cross_wallet(book.wallet, needed, sum((_pnl(other, market) for other in others), ZERO))


def _others(book: AccountBook, symbol: str) -> list[Position]:
    return [h.position for s, h in book.positions.items() if s != symbol]


def _pnl(at: Position, market: Market) -> Decimal:
    mark = market.mark(at.symbol)
    return unrealized_pnl(at.side, at.quantity, at.entry_price, mark) if mark else ZERO
