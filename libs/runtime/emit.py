"""What a handler returns: the messages that follow from the one it got."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.schemas.base import Message


@dataclass(frozen=True, slots=True)
class Emit:
    """One message to publish. `correlation_id` defaults to the body's own, else to the cause's."""

    subject: str
    body: Message
    correlation_id: str | None = None


Emits = Sequence[Emit]
