"""What happened to a book, and how a document write turns it into events with ids and a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from libs.schemas import subjects
from libs.schemas.account import ClosedTrade, Position, TradingStanding
from libs.schemas.acts import ActOutcome
from libs.schemas.analytics import Alert, AlertKind
from libs.schemas.audit import AuditEvent
from libs.schemas.names import key_of
from libs.schemas.orders import Fill, OrderEvent, OrderIntent, OrderKind, PositionEvent, PositionKind
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import ZERO, AccountBook

KEEP_ERRORS = 10
Event = OrderEvent | PositionEvent | AuditEvent | Alert


@dataclass(frozen=True, slots=True)
class OrderChange:
    kind: OrderKind
    intent: OrderIntent
    correlation_id: str
    reason: OrderReason | None = None
    detail: str = ""
    fill: Fill | None = None


@dataclass(frozen=True, slots=True)
class PositionChange:
    kind: PositionKind
    symbol: str
    before: Position | None
    after: Position | None
    cause: OrderReason
    correlation_id: str
    wallet: Decimal
    equity: Decimal
    realized_pnl: Decimal = ZERO
    fee: Decimal = ZERO
    funding: Decimal = ZERO
    client_order_id: str | None = None
    insolvency: Decimal = ZERO
    closed: ClosedTrade | None = None  # what a late event is about: it is neither before nor after

    @property
    def decision_id(self) -> str:
        position = self.before or self.after
        if position is None:
            return self.closed.decision_id if self.closed else f"funding:{self.symbol}"
        return position.decision_id


@dataclass(frozen=True, slots=True)
class StateChange:
    """A trading state that was set, by whom and why, and what ends it."""

    before: str
    after: str
    who: str
    why: str
    ends: Literal["day", "person"] = "person"


@dataclass(frozen=True, slots=True)
class AlertChange:
    """Something that a person should look at. Of one `name` the log keeps one alert, however often it comes about."""

    kind: AlertKind
    severity: Literal["warning", "critical"]
    message: str
    threshold: float | None = None
    value: float | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """What the reconciler put right in our books, or found at the venue and left alone."""

    what: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True)
class ActChange:
    """An act by hand that came to an end, with the position before and after it in words."""

    outcome: ActOutcome
    who: str
    why: str
    before: str
    after: str


Change = OrderChange | PositionChange | StateChange | AlertChange | Correction | ActChange


@dataclass(frozen=True, slots=True)
class Turn:
    """A book and what has happened to it since the last write."""

    book: AccountBook
    changes: tuple[Change, ...] = ()

    def then(self, book: AccountBook, *changes: Change) -> "Turn":
        return Turn(book, (*self.changes, *changes))

    def join(self, other: "Turn") -> "Turn":
        """This turn followed by one that began with this one's book."""
        return Turn(other.book, (*self.changes, *other.changes))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event in an account's outbox. `trace` is the W3C trace context of what the event follows from."""

    event_id: str
    subject: str
    body: Event
    correlation_id: str | None
    trace: str | None = None


def seal(turn: Turn, now: datetime) -> tuple[AccountBook, tuple[Outgoing, ...]]:
    """The book under its next version, and the events that the same document write stores in the outbox."""
    last = turn.book
    failed = tuple(now for c in turn.changes if isinstance(c, OrderChange) and _by_venue(c))
    book = replace(
        last,
        version=last.version + 1,
        as_of=now,
        peak=max(last.peak, last.wallet),
        venue_errors=(*last.venue_errors, *failed)[-KEEP_ERRORS:] if failed else last.venue_errors,
        traces=_traces(last, turn.changes),
        standing=_standing(last, turn.changes, now),
    )
    return book, tuple(_outgoing(book, n, change, now) for n, change in enumerate(turn.changes))


def _standing(book: AccountBook, changes: Sequence[Change], now: datetime) -> TradingStanding | None:
    """Of the last move of the trading state, else as it was."""
    moved = next((change for change in reversed(changes) if isinstance(change, StateChange)), None)
    if moved is None:
        return book.standing
    return TradingStanding(since=now, by=moved.who, why=moved.why, ends=moved.ends)


def _by_venue(change: OrderChange) -> bool:
    return change.kind == "rejected" and change.reason is OrderReason.VENUE_ERROR


def _traces(book: AccountBook, changes: Sequence[Change]) -> Mapping[str, str]:
    """Trace contexts of what works or is open, and of what these changes tell; the others are forgotten."""
    if not book.traces:
        return book.traces
    used = {o.correlation_id for o in book.orders.values()} | {h.correlation_id for h in book.positions.values()}
    used |= {c.correlation_id for c in changes if isinstance(c, OrderChange | PositionChange)} | {book.tracing}
    kept = {key: trace for key, trace in book.traces.items() if key in used}
    return kept if len(kept) < len(book.traces) else book.traces


def events(book: AccountBook, changes: Sequence[Change], now: datetime) -> list[Event]:
    return [_outgoing(book, n, change, now).body for n, change in enumerate(changes)]


def _outgoing(book: AccountBook, n: int, change: Change, now: datetime) -> Outgoing:
    event_id = f"{book.account_id}:{book.version}:{n}"
    if isinstance(change, OrderChange):
        subject = subjects.order_event(change.kind, key_of(book.account_id))
        body = _order_event(book, event_id, change, now)
        return Outgoing(event_id, subject, body, change.correlation_id, book.traces.get(change.correlation_id))
    if isinstance(change, PositionChange):
        subject = subjects.position_event(change.kind, key_of(book.account_id))
        told = _position_event(book, event_id, change, now)
        return Outgoing(event_id, subject, told, change.correlation_id, book.traces.get(change.correlation_id))
    if isinstance(change, AlertChange):
        return Outgoing(
            event_id, subjects.alert_raised(key_of(book.account_id)), _alert(book, event_id, change, now), None
        )
    return Outgoing(
        event_id, subjects.account_changed(key_of(book.account_id)), _audit(book, event_id, change, now), None
    )


def _order_event(book: AccountBook, event_id: str, change: OrderChange, now: datetime) -> OrderEvent:
    return OrderEvent(
        event_id=event_id,
        kind=change.kind,
        account_id=book.account_id,
        account_version=book.version,
        intent=change.intent,
        fill=change.fill,
        reason=change.reason,
        detail=change.detail[:500],
        decision_id=change.intent.decision_id,
        correlation_id=change.correlation_id,
        at=now,
    )


def _position_event(book: AccountBook, event_id: str, change: PositionChange, now: datetime) -> PositionEvent:
    return PositionEvent(
        event_id=event_id,
        kind=change.kind,
        account_id=book.account_id,
        account_version=book.version,
        symbol=change.symbol,
        before=change.before,
        after=change.after,
        cause=change.cause,
        client_order_id=change.client_order_id,
        realized_pnl=change.realized_pnl,
        fee=change.fee,
        funding=change.funding,
        insolvency=change.insolvency,
        opened_at=change.closed.opened_at if change.closed else None,
        wallet_balance=change.wallet,
        equity=change.equity,
        decision_id=change.decision_id,
        correlation_id=change.correlation_id,
        at=now,
    )


def _alert(book: AccountBook, event_id: str, change: AlertChange, now: datetime) -> Alert:
    return Alert(
        alert_id=f"{change.name}:{book.account_id}" if change.name else event_id,
        account_id=book.account_id,
        kind=change.kind,
        severity=change.severity,
        message=change.message,
        threshold=change.threshold,
        value=change.value,
        created_at=now,
    )


def _audit(book: AccountBook, event_id: str, change: StateChange | Correction | ActChange, now: datetime) -> AuditEvent:
    if isinstance(change, ActChange):
        return AuditEvent(
            event_id=event_id,
            who=change.who,
            what=f"act.{change.outcome.kind}.{change.outcome.result}",
            subject=book.account_id,
            before=change.before,
            after=change.after,
            why=change.why,
            at=now,
            account_version=book.version,
        )
    if isinstance(change, Correction):
        return AuditEvent(
            event_id=event_id,
            who="reconciler",
            what=change.what[:64],
            subject=book.account_id,
            before=change.before,
            after=change.after,
            why=change.why,
            at=now,
            account_version=book.version,
        )
    return AuditEvent(
        event_id=event_id,
        who=change.who,
        what="trading_state",
        subject=book.account_id,
        before=change.before,
        after=change.after,
        why=change.why,
        at=now,
        account_version=book.version,
    )
