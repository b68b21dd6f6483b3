"""The account as everybody else sees it: KV `state`."""

from decimal import Decimal

from libs.schemas.account import AccountState, OpenOrder, Reservation
from libs.schemas.venue import VenueSymbol
from services.executor.domain.book import ZERO, AccountBook, WorkingOrder, cents, order_margin

SHOWN_TRADES = 100


def account_state(book: AccountBook, fees: VenueSymbol | None) -> AccountState:
    """The last 100 closed trades travel; the document keeps more. Fees are of the account's first symbol."""
    return AccountState(
        account_id=book.account_id,
        version=book.version,
        mode=book.mode,
        venue=book.venue,
        margin_mode=book.margin_mode,
        trading_state=book.trading_state,
        standing=book.standing,
        wallet_balance=book.wallet,
        positions=tuple(h.position for h in book.positions.values()),
        open_orders=tuple(_shown(o) for o in book.orders.values()),
        recent_trades=dict(book.recent_trades),
        performance=book.performance,
        closed_trades=book.closed_trades[-SHOWN_TRADES:],
        last_entry_at=dict(book.last_entry_at),
        reservations=reserved(book),
        day=book.day,
        realised_total=book.realised_total,
        fees_total=book.fees_total,
        funding_total=book.funding_total,
        insolvency_total=book.insolvency,
        peak_equity=book.peak,
        acts=book.acts,
        maker_fee_bps=float(fees.maker_fee_bps) if fees else 0.0,
        taker_fee_bps=float(fees.taker_fee_bps) if fees else 0.0,
        market_sequence=book.market_sequence,
        as_of=book.as_of,
    )


def reserved(book: AccountBook) -> dict[str, Reservation]:
    """What plans on their way to the venue and working entries hold, by symbol."""
    held = dict(book.reservations)
    for order in book.orders.values():
        if not order.intent.reduce_only:
            symbol = order.intent.symbol
            before = held.get(symbol, Reservation(margin=ZERO, notional=ZERO))
            held[symbol] = Reservation(
                margin=before.margin + cents(order_margin(order)),
                notional=before.notional + cents(order.left * order.reference),
                side=order.intent.side,
            )
    return held


def _shown(order: WorkingOrder) -> OpenOrder:
    intent = order.intent
    filled: Decimal = order.filled
    return OpenOrder(
        client_order_id=intent.client_order_id,
        symbol=intent.symbol,
        side=intent.side,
        type=intent.type,
        price=intent.price,
        stop_price=intent.stop_price,
        quantity=intent.quantity,
        filled=filled,
        reduce_only=intent.reduce_only,
        leg=intent.leg,
        created_at=order.created_at,
        expires_at=intent.expires_at,
        decision_id=intent.decision_id,
    )
