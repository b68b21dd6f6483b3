"""The venue's truth against our books: what differs, and what is put right. Nothing that is not ours is touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from libs.perps.sides import sign
from libs.schemas.orders import TERMINAL_STATES
from libs.schemas.reasons import OrderReason
from services.executor.domain import booking
from services.executor.domain.book import ZERO, AccountBook, WorkingOrder
from services.executor.domain.changes import AlertChange, Correction, StateChange, Turn
from services.executor.domain.fills import Execution, fill
from services.executor.domain.protection import cancel
from services.executor.domain.quote import Market
from services.executor.domain.replies import Balances, FillReport, OrderReport, PositionReport

WHO = "reconciler"
PENNY = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Truth:
    """What the venue says at `at` (market time).

    `reports` are the answers about our orders that are not open there: None where the venue does not know the id, and
    that is final. `known` are ids of stored plans that are not in the book yet.
    """

    at: datetime
    positions: Sequence[PositionReport]
    open_orders: Sequence[OrderReport]
    fills: Sequence[FillReport]
    balances: Balances
    reports: Mapping[str, OrderReport | None] = field(default_factory=dict)
    known: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Missed:
    """A fill that is not in our books."""

    report: FillReport


@dataclass(frozen=True, slots=True)
class Seen:
    """One of our orders has another state than we thought."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class Lost:
    """One of our orders never reached the venue."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A position is smaller at the venue, and no fill tells why."""

    symbol: str
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something at the venue that is not ours: an order, or (a part of) a position. Base units, sold ones negative."""

    symbol: str
    quantity: Decimal
    client_order_id: str = ""
    found: PositionReport | OrderReport | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Stray:
    """An order of ours that our books have done with and that rests at the venue all the same."""

    symbol: str
    client_order_id: str


@dataclass(frozen=True, slots=True)
class Money:
    """The wallet differs: a transfer, or funding."""

    before: Decimal
    after: Decimal


Difference = Missed | Seen | Lost | Shrunk | Stray | Foreign | Money


def reconcile(book: AccountBook, truth: Truth) -> tuple[Difference, ...]:
    """All differences. Where fills were missed only they are told: what they explain is no difference afterwards."""
    missed = _missed(book, truth)
    if missed:
        return tuple(missed)
    orders, positions = _orders(book, truth), _positions(book, truth)
    pending = any(o.intent.state in ("submitting", "unknown") for o in book.orders.values())
    money = abs(truth.balances.wallet - book.wallet) >= PENNY and not (pending or positions)
    return (*positions, *orders, *([Money(book.wallet, truth.balances.wallet)] if money else []))


def corrected(turn: Turn, difference: Difference, market: Market) -> Turn:
    """The books after one difference, with its events. Protection that a missed fill asks for is in the turn's book."""
    now = market.now
    match difference:
        case Missed(report):
            return booking.matched(turn, report, market)
        case Seen(report):
            return booking.seen(turn, report, now)
        case Lost(client_order_id):
            order = turn.book.orders.get(client_order_id)
            return cancel(turn, order, OrderReason.VENUE_ERROR, now) if order else turn
        case Shrunk():
            return _shrunk(turn, difference, market)
        case Stray(symbol, client_order_id):
            why = f"an order of ours for {symbol} that nothing asks for any more; it is cancelled"
            return turn.then(turn.book, Correction(f"order {client_order_id}", "open", "canceled", why))
        case Foreign():
            return _reported(turn, difference)
        case Money(before, after):
            return _paid(turn, before, after)


def foreign(differences: Sequence[Difference]) -> tuple[str, ...]:
    """Symbols of positions that are not ours."""
    return tuple(sorted({d.symbol for d in differences if isinstance(d, Foreign) and not d.client_order_id}))


def _missed(book: AccountBook, truth: Truth) -> list[Missed]:
    found = []
    for report in sorted(truth.fills, key=booking.in_order):
        holding = book.positions.get(report.symbol)
        ours = report.client_order_id in book.orders or (holding is not None and booking.closes(report, holding))
        if ours and booking.key(report) not in book.told:
            found.append(Missed(report))
    return found


def _orders(book: AccountBook, truth: Truth) -> list[Difference]:
    there = {report.client_order_id: report for report in truth.open_orders}
    found: list[Difference] = []
    for key, order in book.orders.items():
        report = there.get(key) or truth.reports.get(key)
        if report is not None and _differs(order, report):
            found.append(Seen(report))
        elif report is None and key in truth.reports:
            found.append(Lost(key))
    for report in truth.open_orders:
        if report.client_order_id in book.orders or report.client_order_id in truth.known:
            continue
        if report.client_order_id in book.told:
            found.append(Stray(report.symbol, report.client_order_id))
        else:
            sold = -report.quantity if report.side == "sell" else report.quantity
            found.append(Foreign(report.symbol, sold, report.client_order_id, report))
    return found


def _differs(order: WorkingOrder, report: OrderReport) -> bool:
    """A report with more fills than ours waits for them; they come with the next truth."""
    if order.filled < report.filled:
        return False
    return report.state in TERMINAL_STATES or order.intent.state in ("new", "submitting", "unknown")


def _positions(book: AccountBook, truth: Truth) -> list[Difference]:
    theirs = {p.symbol: sign(p.side) * p.quantity for p in truth.positions}
    found: list[Difference] = []
    for symbol in sorted({*theirs, *book.positions}):
        holding = book.positions.get(symbol)
        ours = sign(holding.position.side) * holding.position.quantity if holding else ZERO
        there = theirs.get(symbol, ZERO)
        if ours == there or any(_unsure(o) for o in book.of(symbol)):
            continue
        same = ours * there > 0
        keeps = min(abs(ours), abs(there)) if same else ZERO
        if keeps < abs(ours):
            found.append(Shrunk(symbol, abs(ours), keeps))
        rest = there - (keeps if ours > 0 else -keeps)
        if rest:
            found.append(Foreign(symbol, rest, found=next(p for p in truth.positions if p.symbol == symbol)))
    return found


def _unsure(order: WorkingOrder) -> bool:
    """An order whose fills may be on their way explains a difference."""
    return order.intent.state in ("submitting", "unknown") or order.intent.type == "market"


def _shrunk(turn: Turn, found: Shrunk, market: Market) -> Turn:
    """Without a fill the mark stands in for the price: the money is put right by the balances."""
    holding = turn.book.positions[found.symbol]
    price = market.mark(found.symbol) or holding.position.entry_price
    gone = found.before - found.after
    origin = f"reconcile:{found.symbol}:{turn.book.version}"
    order = booking.closing(turn.book, holding, found.symbol, gone, market.now, origin)
    execution = Execution(order, price, gone, maker=False, cause=OrderReason.CLOSED_AT_VENUE, at=market.now, fee=ZERO)
    why = "the venue has less than our books and tells no fill; closed at the mark"
    told = Correction(f"position {found.symbol}", str(found.before), str(found.after), why)
    turn = turn.then(turn.book, told, AlertChange("reconcile", "critical", f"{found.symbol}: {why}"))
    return fill(turn, execution, market)


def _reported(turn: Turn, found: Foreign) -> Turn:
    what = f"order {found.client_order_id}" if found.client_order_id else "a position"
    why = f"{what} of {found.quantity:f} {found.symbol} is at the venue and is not ours; it is left alone"
    turn = turn.then(turn.book, Correction(f"foreign {found.symbol}", "", f"{found.quantity:f}", why))
    if turn.book.trading_state != "active":
        return turn
    book = replace(turn.book, trading_state="reducing", moved_by=WHO)
    alert = AlertChange("reconcile", "critical", f"trading is reducing: {why}")
    return turn.then(book, StateChange("active", "reducing", WHO, why), alert)


def _paid(turn: Turn, before: Decimal, after: Decimal) -> Turn:
    """Money that no fill explains. With a position it is funding; without one it came from or went to elsewhere."""
    book, diff = turn.book, after - before
    if book.positions:
        book = replace(book, wallet=after, funding_total=book.funding_total + diff)
        day = book.day.model_copy(update={"realised": book.day.realised + diff})
    else:
        book = replace(book, wallet=after, peak=max(ZERO, book.peak + diff))
        day = book.day.model_copy(update={"transfers": book.day.transfers + diff})
    why = "funding" if book.positions else "transfer"
    told = Correction("wallet", f"{before:f}", f"{after:f}", f"{why}, as the venue's balance tells")
    return turn.then(replace(book, day=day), told)
