"""What one execution does to a book: wallet, position, history, and the protection that must match the position."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from libs.perps.entry import average, share_of
from libs.perps.fees import fee
from libs.perps.margin import initial_margin
from libs.perps.sides import opened_by, sign
from libs.schemas import ids
from libs.schemas.account import Position, TradeHistory
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
from services.executor.domain.days import begun, traded_on, worth_at_midnight
from services.executor.domain.exposures import noted
from services.executor.domain.history import archived, entered_at, hold_until, traded
from services.executor.domain.margins import excess_loss, margin_left, repriced, uncovered
from services.executor.domain.protection import cancel, protect
from services.executor.domain.quote import Market


@dataclass(frozen=True, slots=True)
class Execution:
    """One match: `quantity` of `order` at `price`, why, and when in market time.

    `fee` (quote currency) and `fill_id` are the venue's where it has told them; else they follow from the rules.
    `relief` is what a liquidation leaves to the venue; else it is what the position, or its account, cannot pay.
    """

    order: WorkingOrder
    price: Decimal
    quantity: Decimal
    maker: bool
    cause: OrderReason
    at: datetime
    fee: Decimal | None = None
    fill_id: str | None = None
    relief: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a match did: the book after it, the position before and after, the fee, the profit, what the venue bears."""

    book: AccountBook
    kind: PositionKind
    before: Position | None
    after: Position | None
    paid: Decimal
    realised: Decimal = ZERO
    relief: Decimal = ZERO

    @property
    def earned(self) -> Decimal:
        return self.realised - self.paid + self.relief


def fill(turn: Turn, match: Execution, market: Market) -> Turn:
    """Apply a match. One beyond an opposite position closes all of it and opens the rest at the same price.

    A reduce-only order fills at most the position; what is left of it goes when the position is flat.
    """
    turn = begun(turn, market, match.at)
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
        return protect(_open(turn, match, market), symbol, match.order, match.at, market)
    first = min(match.quantity, holding.position.quantity)
    turn = _reduce(turn, replace(match, quantity=first), market)
    rest = match.quantity - first
    order = turn.book.orders.get(match.order.intent.client_order_id)
    if rest > 0 and order is not None and not order.intent.reduce_only:
        for other in turn.book.of(symbol):
            if other.intent.reduce_only:
                turn = cancel(turn, other, OrderReason.POSITION_CLOSED, match.at)
        return _applied(turn, replace(match, order=order, quantity=rest), market)
    return protect(turn, symbol, None, match.at, market)


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
    paid = _paid(match, market)
    relief = uncovered(book, symbol, -paid)
    value = match.quantity * match.price
    after = _entered(held, match, paid)
    holding = Holding(
        position=after,
        correlation_id=order.correlation_id,
        entered=(held.entered if held else ZERO) + match.quantity,
        exited=held.exited if held else ZERO,
        exit_value=held.exit_value if held else ZERO,
        peak_margin=max(held.peak_margin if held else ZERO, after.margin),
        hold_until=held.hold_until if held else hold_until(match.order, match.at),
        bare_since=held.bare_since if held else None,
        cost=(held.spent if held else ZERO) + value,
        entry_value=(held.entered_value if held else ZERO) + value,
        insolvency=(held.insolvency if held else ZERO) + relief,
    )
    effect = _Effect(book, "changed" if held else "opened", held.position if held else None, after, paid, ZERO, relief)
    now_book = replace(
        _booked(effect, match, market),
        positions={**book.positions, symbol: holding},
        last_entry_at={**book.last_entry_at, symbol: entered_at(book, order)},
    )
    return _told(turn, match, replace(effect, book=now_book), market)


def _reduce(turn: Turn, match: Execution, market: Market) -> Turn:
    book, symbol = turn.book, match.order.intent.symbol
    held = book.positions[symbol]
    realised = _realised(held, match)
    paid = _paid(match, market)
    relief = excess_loss(book, symbol, realised - paid) if match.relief is None else match.relief
    effect = _Effect(book, "changed", held.position, None, paid, realised, relief)
    holding = _left(held, match, effect)
    now_book = replace(_booked(effect, match, market), positions={**book.positions, symbol: holding})
    if holding.exited < holding.entered:
        return _told(turn, match, replace(effect, book=now_book, after=holding.position), market)
    now_book = archived(replace(now_book, positions=without(book.positions, symbol)), holding, match.at, match.cause)
    kind: PositionKind = "liquidated" if match.cause is OrderReason.LIQUIDATION else "closed"
    return _told(turn, match, replace(effect, book=now_book, kind=kind), market)


def _realised(held: Holding, match: Execution) -> Decimal:
    """Proceeds less cost, of a short cost less proceeds: s·(q·P − cost of what is closed)."""
    at = held.position
    cost = share_of(held.spent, match.quantity, at.quantity)
    return cents(sign(at.side) * (match.quantity * match.price - cost))


def _booked(effect: _Effect, match: Execution, market: Market) -> AccountBook:
    """The money of a match, in its own day, and since when what is held is held."""
    book, symbol = effect.book, match.order.intent.symbol
    bought = match.quantity if match.order.intent.side == "buy" else -match.quantity
    midnight = worth_at_midnight(market, symbol, book.day.start, bought, match.price) - effect.paid + effect.relief
    cleared = min(effect.paid, effect.relief) if match.cause is OrderReason.LIQUIDATION else ZERO
    return replace(
        noted(book, symbol, match.at, bought),
        wallet=book.wallet + effect.earned,
        realised_total=book.realised_total + effect.realised,
        fees_total=book.fees_total + effect.paid,
        insolvency=book.insolvency + effect.relief,
        unpaid_clearance=book.unpaid_clearance + cleared,
        day=traded_on(book, match.at, effect.earned, midnight),
    )


def _entered(held: Holding | None, match: Execution, paid: Decimal) -> Position:
    order = match.order
    if held is None:
        return Position(
            symbol=order.intent.symbol,
            side=opened_by(order.intent.side),
            quantity=match.quantity,
            entry_price=match.price,
            leverage=order.leverage,
            margin=cents(initial_margin(match.quantity, match.price, order.leverage)),
            exit_plan=order.exit_plan,
            invalidation=order.invalidation,
            opened_at=match.at,
            decision_id=order.intent.decision_id,
            strategy_id=order.strategy_id,
            fees=paid,
        )
    before = held.position
    quantity = before.quantity + match.quantity
    margin = cents(initial_margin(match.quantity, match.price, before.leverage))
    return before.model_copy(
        update={
            "quantity": quantity,
            "entry_price": average(held.spent + match.quantity * match.price, quantity),
            "margin": before.margin + margin,
            "fees": before.fees + paid,
            "exit_plan": order.exit_plan or before.exit_plan,
            "invalidation": order.invalidation or before.invalidation,
        }
    )


def _left(held: Holding, match: Execution, effect: _Effect) -> Holding:
    """The holding less what was closed; its entry stays. A flat one keeps its last position, for the history. What
    rounding took from the profit stays in the cost: nothing is lost in the end."""
    before, realised = held.position, effect.realised
    rest = before.quantity - match.quantity
    update: dict[str, object] = {"realized_pnl": before.realized_pnl + realised, "fees": before.fees + effect.paid}
    if rest > 0:
        update |= {"quantity": rest, "margin": margin_left(effect.book, before, rest, effect.earned)}
    value = match.quantity * match.price
    return replace(
        held,
        position=before.model_copy(update=update),
        exited=held.exited + match.quantity,
        exit_value=held.exit_value + value,
        cost=held.spent - (value - sign(before.side) * realised) if rest > 0 else ZERO,
        entry_value=held.entered_value,
        insolvency=held.insolvency + effect.relief,
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
        insolvency=effect.relief,
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


def _bps(match: Execution, market: Market) -> Decimal:
    """A liquidation pays the clearance fee, everything else maker or taker."""
    filters = market.rules[match.order.intent.symbol].filters
    if match.cause is OrderReason.LIQUIDATION:
        return filters.liquidation_fee_bps
    return filters.maker_fee_bps if match.maker else filters.taker_fee_bps


def _paid(match: Execution, market: Market) -> Decimal:
    """The venue's own fee, or the one of the rules."""
    if match.fee is not None:
        return cents(match.fee)
    return cents(fee(match.quantity, match.price, _bps(match, market)))
