"""What people and their programs are told outside: one notice for each event and route, and what came of it."""

from typing import ClassVar, Literal

from libs.schemas.base import AccountId, Id, Message, Name, ShortText, Text, Utc
from libs.schemas.names import Key

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")  # from the least on
TEST = "test"  # the kind of a notice that only shows whether a route leads somewhere


class Notice(Message):
    """`notice.requested.<route>`: an event that a route takes.

    `event_id` is the same wherever and however often the event is told; `source_id` is the alert's or event's own id.
    `at` is market time.
    """

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("notice_id",)

    notice_id: Id
    event_id: Id
    source_id: Id
    route: AccountId
    type: Name
    kind: Name
    severity: Severity
    account_id: AccountId | None = None
    title: ShortText
    text: Text
    at: Utc


class NoticeSettled(Message):
    """`notice.settled.<route>`: the receiver took it, or a test of the route failed. Wall time."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("notice_id",)

    notice_id: Id
    event_id: Id
    route: Key
    outcome: Literal["sent", "failed"]
    detail: ShortText = ""
    at: Utc
