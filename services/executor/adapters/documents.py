"""Account documents: a book as MongoDB keeps it, decimals as strings, times as ISO text, one field per field."""

from dataclasses import fields, replace
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from libs.runtime.mongo import Document
from libs.schemas import ids
from libs.schemas.analytics import Alert
from libs.schemas.audit import AuditEvent
from libs.schemas.orders import OrderEvent, PositionEvent
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import Event, Outgoing

FIELDS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(hint)
    for name, hint in get_type_hints(AccountBook, include_extras=True).items()
    if name != "account_id"
}
ALWAYS = frozenset(("market_sequence", "market_created"))  # a take-over may have changed them in memory alone
_EVENTS: dict[str, type[OrderEvent] | type[PositionEvent] | type[AuditEvent] | type[Alert]] = {
    "order": OrderEvent,
    "position": PositionEvent,
    "account": AuditEvent,
    "alert": Alert,
}


def document(book: AccountBook, fence: int) -> Document:
    """A whole new document."""
    made = {name: adapter.dump_python(getattr(book, name), mode="json") for name, adapter in FIELDS.items()}
    return {"_id": book.account_id, "partition": ids.partition(book.account_id), "fence": fence, "outbox": [], **made}


def book_of(found: Document) -> AccountBook:
    """The book in a document. Fields that an older version did not write take their defaults."""
    known = {f.name for f in fields(AccountBook)} & found.keys()
    values = {name: FIELDS[name].validate_python(found[name]) for name in known}
    book = AccountBook(account_id=found["_id"], **values)
    if "unpaid_clearance" in found:
        return book
    # It was written when a loss that the venue bore was not in the profit: wallet and totals belong together.
    return replace(book, realised_total=book.realised_total - book.insolvency)


def changed(before: AccountBook, after: AccountBook) -> Document:
    """The fields that differ, so that a write carries 500 closed trades only when one was added."""
    names = [
        n
        for n in FIELDS
        if n in ALWAYS or (getattr(before, n) is not getattr(after, n) and getattr(before, n) != getattr(after, n))
    ]
    return {n: FIELDS[n].dump_python(getattr(after, n), mode="json") for n in names}


def outbox_entry(event: Outgoing) -> Document:
    return {
        "event_id": event.event_id,
        "subject": event.subject,
        "correlation_id": event.correlation_id,
        "trace": event.trace,
        "body": event.body.model_dump_json(exclude_none=True),
    }


def outgoing(entry: Document) -> Outgoing:
    body: Event = _EVENTS[entry["subject"].partition(".")[0]].model_validate_json(entry["body"])
    return Outgoing(entry["event_id"], entry["subject"], body, entry["correlation_id"], entry.get("trace"))
