"""R4: each wallet is what the account began with plus all that happened to it, to the last decimal."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from libs.invariants.log import Log, by_account
from libs.invariants.rows import BookRow, CorrectionRow, OrderRow, PositionMove
from libs.invariants.values import InvariantCheck, Tally
from libs.schemas import subjects

ZERO = Decimal(0)
Money = tuple[Decimal, Decimal]  # a profit and a fee


def wallets_add_up(log: Log, books: Mapping[str, BookRow]) -> InvariantCheck:
    """Event by event, then against the account's document, its totals, and what others are shown of it."""
    tally = Tally("R4", "each wallet is what happened to it")
    whole = log.whole(subjects.ORDERS, subjects.AUDIT)
    told: list[PositionMove | CorrectionRow] = [*log.positions, *log.corrections]
    moved = by_account(told)
    for book in books.values():
        moves = moved.get(book.account_id, [])
        known = [move for move in moves if move.version <= book.version]
        tally.moving += len(moves) - len(known)
        wallet = _followed(tally, known, book.initial if whole else None)
        if book.untold - {move.event_id for move in moves}:
            tally.moving += 1
        elif wallet is not None:
            tally.judge(book.account_id, _differs("its document", wallet, book.wallet))
        _totals(tally, book, known, whole=whole)
    return tally.done()


def _followed(tally: Tally, moves: Iterable[PositionMove | CorrectionRow], wallet: Decimal | None) -> Decimal | None:
    """The wallet after all of these; where it begins is taken from the first where the log does not go back further."""
    for move in moves:
        if isinstance(move, CorrectionRow):
            expected, wallet_after = move.before, move.after
            said = None if wallet is None else _differs("the correction", wallet, expected)
        else:
            wallet_after = move.wallet
            said = None if wallet is None else _differs("the event", wallet + move.moved, wallet_after)
        if wallet is None:
            tally.expired += 1
        else:
            tally.judge(move.event_id, said)
        wallet = wallet_after
    return wallet


def _totals(tally: Tally, book: BookRow, moves: Iterable[PositionMove | CorrectionRow], *, whole: bool) -> None:
    if whole:
        transfers = sum((m.after - m.before for m in moves if isinstance(m, CorrectionRow) and m.transfer), ZERO)
        tally.judge(book.account_id, _differs("its totals", book.initial + book.gained + transfers, book.wallet))
    if book.shown is not None:
        tally.judge(book.account_id, _differs("KV state", book.wallet, book.shown))


def _differs(where: str, expected: Decimal, said: Decimal) -> str | None:
    return None if expected == said else f"{where} says {said:f} where {expected:f} follows"


def fills_are_booked(log: Log) -> InvariantCheck:
    """Double entry: what an order's fills cost and made is what the positions' log says of that order."""
    tally = Tally("R4", "what fills made and cost is in the positions' log")
    beginnings = {} if log.whole(subjects.ORDERS) else _beginnings((*log.orders, *log.positions))
    fills, booked = _of_fills(log.orders, beginnings), _of_positions(log.positions, beginnings)
    for order_id in dict.fromkeys((*fills, *booked)):
        made, kept = fills.get(order_id, (ZERO, ZERO)), booked.get(order_id, (ZERO, ZERO))
        said = None if made == kept else f"fills say {_text(made)}, the positions' log {_text(kept)}"
        tally.judge(order_id, said)
    return tally.done()


def _beginnings(rows: Iterable[OrderRow | PositionMove]) -> dict[str, int]:
    """By account the first write that the log may have only in part."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.account_id] = min(row.version, found.get(row.account_id, row.version))
    return found


def _of_fills(orders: Iterable[OrderRow], beginnings: Mapping[str, int]) -> dict[str, Money]:
    sums: dict[str, Money] = defaultdict(lambda: (ZERO, ZERO))
    for row in orders:
        if row.fill is not None and row.version > beginnings.get(row.account_id, -1):
            profit, fee = sums[row.order_id]
            sums[row.order_id] = profit + row.fill.realized_pnl, fee + row.fill.fee
    return sums


def _of_positions(positions: Iterable[PositionMove], beginnings: Mapping[str, int]) -> dict[str, Money]:
    sums: dict[str, Money] = defaultdict(lambda: (ZERO, ZERO))
    for row in positions:
        if row.order_id is not None and row.version > beginnings.get(row.account_id, -1):
            profit, fee = sums[row.order_id]
            sums[row.order_id] = profit + row.realized_pnl, fee + row.fee
    return sums


def _text(money: Money) -> str:
    return f"a profit of {money[0]:f} and a fee of {money[1]:f}"
