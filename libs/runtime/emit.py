"""What a handler returns: the messages that follow from the one it got."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from libs.schemas.base import Message


@dataclass(frozen=True, slots=True)
class Emit:
    """One message to publish. `correlation_id` defaults to the body's own, else to the cause's.

    `cause` are headers of the message that it follows from, where that is not the one in hand.
    """

    subject: str
    body: Message
    correlation_id: str | None = None
    cause: Mapping[str, str] | None = None


Emits = Sequence[Emit]


def in_trace(emit: Emit, trace: str | None) -> Emit:
    """The same, as a step of the trace that its own cause began, whatever is in hand."""
    return emit if trace is None else replace(emit, cause={**(emit.cause or {}), "traceparent": trace})
