"""What one execution does to a book: wallet, position, history, and the protection that must match the position."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from libs.perps.entry import add_to, reduce
from libs.perps.fees import fee
from libs.perps.margin import initial_margin
from libs.perps.sides import opened_by
from libs.schemas import ids
from libs.schemas.account import Position, TradeHistory, TradingDay
from libs.schemas.orders import Fill, IntentState, OrderIntent, PositionKind
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import (
    ZERO,
    AccountBook,
    Holding,
    WorkingOrder,
    cents,
    equity,
    with_order,
    without,
)
from services.executor.domain.changes import Change, OrderChange, PositionChange, Turn
from services.executor.domain.history import archived, traded
from services.executor.domain.margins import repriced
from services.executor.domain.protection import cancel, protect
from services.executor.domain.quote import Market

ENTRY_DIGITS = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Execution:
    """One match: `quantity` of `order` at `price`, why, and when in market time.

    `fee` (quote currency) and `fill_id` are the venue's where it has told them; else they follow from the rules.
    """

    order: WorkingOrder
    price: Decimal
    quantity: Decimal
    maker: bool
    cause: OrderReason
    at: datetime
    fee: Decimal | None = None
    fill_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a match did: the book after it, the position before and after, the fee and the profit."""

    book: AccountBook
    kind: PositionKind
    before: Position | None
    after: Position | None
    paid: Decimal
    realised: Decimal = ZERO


def fill(turn: Turn, match: Execution, market: Market) -> Turn:
    """Apply a match. One beyond an opposite position closes all of it and opens the rest at the same price.

    A reduce-only order fills at most the position; what is left of it goes when the position is flat.
    """
    before = len(turn.changes)
    turn = _applied(turn, match, market)
    turn = replace(turn, book=repriced(turn.book, match.order.intent.symbol, market))
    final = turn.book.positions.get(match.order.intent.symbol)
    return Turn(turn.book, (*turn.changes[:before], *(as_protected(c, final) for c in turn.changes[before:])))


def _applied(turn: Turn, match: Execution, market: Market) -> Turn:
    symbol = match.order.intent.symbol
    holding = turn.book.positions.get(symbol)
    if holding is None or holding.position.side == opened_by(match.order.intent.side):
        if match.order.intent.reduce_only:
            return turn
        return protect(_open(turn, match, market), symbol, match.order, match.at, market.refuses)
    first = min(match.quantity, holding.position.quantity)
    turn = _reduce(turn, replace(match, quantity=first), market)
    rest = match.quantity - first
    order = turn.book.orders.get(match.order.intent.client_order_id)
    if rest > 0 and order is not None and not order.intent.reduce_only:
        for other in turn.book.of(symbol):
            if other.intent.reduce_only:
                turn = cancel(turn, other, OrderReason.POSITION_CLOSED, match.at)
        return _applied(turn, replace(match, order=order, quantity=rest), market)
    return protect(turn, symbol, None, match.at, market.refuses)


def as_protected(change: Change, final: Holding | None) -> Change:
    """An event shows the position with the stop and target that the same write gives it."""
    if isinstance(change, PositionChange) and change.after is not None and final is not None:
        return replace(change, after=final.position)
    return change


def filled(order: WorkingOrder, quantity: Decimal, at: datetime) -> WorkingOrder:
    """The order after `quantity` more of it was filled, with its state."""
    done = order.filled + quantity
    state: IntentState = "filled" if done == order.intent.quantity else "partially_filled"
    return replace(order, filled=done, fills=order.fills + 1, intent=stated(order.intent, state, at))


def stated(intent: OrderIntent, state: IntentState, at: datetime) -> OrderIntent:
    return intent.model_copy(update={"state": state, "state_times": {**intent.state_times, state: at}})


def _open(turn: Turn, match: Execution, market: Market) -> Turn:
    book, order, symbol = turn.book, match.order, match.order.intent.symbol
    held = book.positions.get(symbol)
    paid = _paid(match, market, most=book.wallet)
    before = held.position if held else None
    after = _entered(before, match, paid)
    holding = Holding(
        position=after,
        correlation_id=order.correlation_id,
        entered=(held.entered if held else ZERO) + match.quantity,
        exited=held.exited if held else ZERO,
        exit_value=held.exit_value if held else ZERO,
        peak_margin=max(held.peak_margin if held else ZERO, after.margin),
        hold_until=held.hold_until if held else _hold_until(match),
        bare_since=held.bare_since if held else None,
    )
    now_book = replace(
        book,
        wallet=book.wallet - paid,
        fees_total=book.fees_total + paid,
        day=_earned(book, -paid),
        positions={**book.positions, symbol: holding},
        last_entry_at={**book.last_entry_at, symbol: _entered_at(book, order)},
    )
    effect = _Effect(now_book, "changed" if held else "opened", before, after, paid)
    return _told(turn, match, effect, market)


def _reduce(turn: Turn, match: Execution, market: Market) -> Turn:
    book, symbol = turn.book, match.order.intent.symbol
    held = book.positions[symbol]
    before = held.position
    due = cents(reduce(before.side, match.quantity, before.entry_price, match.price))
    realised = max(due, -book.wallet)
    paid = _paid(match, market, most=_chargeable(book, held, match, realised))
    holding = _left(held, match, realised, paid)
    now_book = replace(
        book,
        wallet=book.wallet + realised - paid,
        realised_total=book.realised_total + realised,
        insolvency=book.insolvency + realised - due,
        fees_total=book.fees_total + paid,
        day=_earned(book, realised - paid),
        positions={**book.positions, symbol: holding},
    )
    if holding.exited < holding.entered:
        effect = _Effect(now_book, "changed", before, holding.position, paid, realised)
        return _told(turn, match, effect, market)
    now_book = archived(replace(now_book, positions=without(book.positions, symbol)), holding, match.at, match.cause)
    kind: PositionKind = "liquidated" if match.cause is OrderReason.LIQUIDATION else "closed"
    return _told(turn, match, _Effect(now_book, kind, before, None, paid, realised), market)


def _entered_at(book: AccountBook, order: WorkingOrder) -> datetime:
    """When the newest filled entry was placed: a later fill of a ladder's rung does not make it a new entry."""
    known = book.last_entry_at.get(order.intent.symbol)
    return order.created_at if known is None else max(known, order.created_at)


def _entered(before: Position | None, match: Execution, paid: Decimal) -> Position:
    order = match.order
    margin = cents(initial_margin(match.quantity, match.price, order.leverage))
    if before is None:
        return Position(
            symbol=order.intent.symbol,
            side=opened_by(order.intent.side),
            quantity=match.quantity,
            entry_price=match.price,
            leverage=order.leverage,
            margin=margin,
            exit_plan=order.exit_plan,
            invalidation=order.invalidation,
            opened_at=match.at,
            decision_id=order.intent.decision_id,
            strategy_id=order.strategy_id,
            fees=paid,
        )
    quantity, entry = add_to(before.quantity, before.entry_price, match.quantity, match.price)
    margin = cents(initial_margin(match.quantity, match.price, before.leverage))
    return before.model_copy(
        update={
            "quantity": quantity,
            "entry_price": entry.quantize(ENTRY_DIGITS),
            "margin": before.margin + margin,
            "fees": before.fees + paid,
            "exit_plan": order.exit_plan or before.exit_plan,
            "invalidation": order.invalidation or before.invalidation,
        }
    )


def _left(held: Holding, match: Execution, realised: Decimal, paid: Decimal) -> Holding:
    """The holding less what was closed; its entry stays and its margin shrinks in proportion. A flat one keeps its
    last position, for the history."""
    before = held.position
    rest = before.quantity - match.quantity
    update: dict[str, object] = {"realized_pnl": before.realized_pnl + realised, "fees": before.fees + paid}
    if rest > 0:
        update |= {"quantity": rest, "margin": cents(before.margin * rest / before.quantity)}
    after = before.model_copy(update=update)
    return replace(
        held,
        position=after,
        exited=held.exited + match.quantity,
        exit_value=held.exit_value + match.quantity * match.price,
    )


def _told(turn: Turn, match: Execution, effect: _Effect, market: Market) -> Turn:
    """The turn with the order filled further, the trade in the history, and both events."""
    order = filled(match.order, match.quantity, match.at)
    orders = without(effect.book.orders, order.intent.client_order_id)
    book = traded(replace(effect.book, orders=orders), _trade(match, effect))
    if order.left > 0:
        book = with_order(book, order)
    made = Fill(
        fill_id=match.fill_id or ids.fill_id(order.intent.client_order_id, match.order.fills),
        price=match.price,
        quantity=match.quantity,
        fee=effect.paid,
        liquidity="maker" if match.maker else "taker",
        realized_pnl=effect.realised,
    )
    position = PositionChange(
        kind=effect.kind,
        symbol=order.intent.symbol,
        before=effect.before,
        after=effect.after,
        cause=match.cause,
        correlation_id=order.correlation_id,
        wallet=book.wallet,
        equity=equity(book, {s: market.mark(s) for s in book.positions}),
        realized_pnl=effect.realised,
        fee=effect.paid,
        client_order_id=order.intent.client_order_id,
    )
    return turn.then(book, OrderChange("filled", order.intent, order.correlation_id, match.cause, fill=made), position)


def _trade(match: Execution, effect: _Effect) -> TradeHistory:
    """The fill as a trade; `pnl` only where it reduced a position."""
    side = match.order.intent.side
    reduces = effect.before is not None and opened_by(side) != effect.before.side
    return TradeHistory(
        symbol=match.order.intent.symbol,
        side=side,
        size=match.quantity,
        price=match.price,
        fee=effect.paid,
        pnl=effect.realised if reduces else None,
        timestamp=match.at,
    )


def _earned(book: AccountBook, amount: Decimal) -> TradingDay:
    return book.day.model_copy(update={"realised": book.day.realised + amount})


def _bps(match: Execution, market: Market) -> Decimal:
    """A liquidation pays the clearance fee, everything else maker or taker."""
    filters = market.rules[match.order.intent.symbol].filters
    if match.cause is OrderReason.LIQUIDATION:
        return filters.liquidation_fee_bps
    return filters.maker_fee_bps if match.maker else filters.taker_fee_bps


def _paid(match: Execution, market: Market, most: Decimal) -> Decimal:
    """The venue's own fee, or the one of the rules, which never takes the wallet below 0."""
    if match.fee is not None:
        return cents(match.fee)
    return min(cents(fee(match.quantity, match.price, _bps(match, market))), most)


def _chargeable(book: AccountBook, held: Holding, match: Execution, realised: Decimal) -> Decimal:
    """What a fee may take: all of the wallet, but of a liquidated isolated position only what its margin has left."""
    left = book.wallet + realised
    if match.cause is OrderReason.LIQUIDATION and book.margin_mode == "isolated":
        return max(ZERO, min(left, held.position.margin + realised))
    return left


def _hold_until(match: Execution) -> datetime | None:
    minutes = match.order.max_hold_minutes
    return None if minutes is None else match.at + timedelta(minutes=minutes)
