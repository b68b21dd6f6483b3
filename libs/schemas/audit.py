"""What the audit trail holds."""

from typing import ClassVar

from libs.schemas.base import Message, Name, ShortText, Utc


class AuditEvent(Message):
    """Who changed what, from what to what, and why."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("event_id",)

    event_id: Name
    who: Name
    what: Name
    subject: Name
    before: str | None = None
    after: str | None = None
    why: ShortText
    at: Utc
    account_version: int | None = None
