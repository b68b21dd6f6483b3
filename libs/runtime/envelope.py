"""Headers of every message: deterministic id and CloudEvents in binary mode. The trace context is the bus's to add."""

import re
from collections.abc import Mapping
from datetime import datetime

from libs.runtime.emit import Emit

MSG_ID = "Nats-Msg-Id"
CORRELATION = "correlation-id"
CAUSATION = "causation-id"
REPLAY_FOR = "perpetua-replay-for"  # the durable that a replayed message is for; the others have had it
# The ways a decision can end share one id, so that the log takes the first end alone: a step that is repeated after a
# crash or an outage may come to another result (the market has moved on, the decision has expired).
ENDS = frozenset({"decision.validated", "decision.rejected", "decision.answered", "decision.evaluated"})
END = "decision.ended"
_ID = re.compile(r"[!-~]{1,250}")


def kind_of(subject: str) -> str:
    """The first two tokens of a subject, its noun and verb."""
    return ".".join(subject.split(".", 2)[:2])


def message_id(emit: Emit) -> str | None:
    """`<noun>.<verb>:<body id>`, `decision.ended:<id>` for each end of a decision, None for a body without identity."""
    body_id = emit.body.message_id()
    kind = kind_of(emit.subject)
    return f"{END if kind in ENDS else kind}:{body_id}" if body_id else None


def _of_cause(cause: Mapping[str, str], name: str) -> str | None:
    """A header of the cause that is an id; anybody may have written it, so nothing else is passed on."""
    value = cause.get(name, "")
    return value if _ID.fullmatch(value) else None


def headers(emit: Emit, source: str, wall: datetime, cause: Mapping[str, str] | None = None) -> dict[str, str]:
    """Headers of `emit`: published by `source` at `wall`, because of a message with headers `cause`."""
    cause = cause or {}
    msg_id = message_id(emit)
    kind = kind_of(emit.subject)
    own = getattr(emit.body, "correlation_id", None)
    correlation = emit.correlation_id or own or _of_cause(cause, CORRELATION) or emit.body.message_id() or kind
    made = {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": msg_id or f"{kind}:{int(wall.timestamp() * 1e6)}",
        "ce-type": f"perpetua.{kind}.v{emit.body.schema_version}",
        "ce-source": f"perpetua/{source}",
        "ce-time": wall.isoformat(),
        CORRELATION: correlation,
    }
    if msg_id:
        made[MSG_ID] = msg_id
    if caused := _of_cause(cause, MSG_ID):
        made[CAUSATION] = caused
    return made
