"""Which body a subject carries, and what the end of a decision is called."""

from datetime import datetime

from libs.schemas.account import ControlRequested
from libs.schemas.analytics import Alert, DecisionStatus
from libs.schemas.audit import AuditEvent
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.dead import DeadLetter
from libs.schemas.decision import DecisionProposed
from libs.schemas.notices import Notice, NoticeSettled
from libs.schemas.orders import OrderEvent, PositionEvent
from libs.schemas.reasons import RejectReason
from libs.schemas.verdict import DecisionAnswered, DecisionEvaluated, DecisionRejected, DecisionValidated

Terminal = DecisionValidated | DecisionRejected | DecisionEvaluated

_BY_VERB: dict[tuple[str, str], type[Message]] = {
    ("decision", "requested"): DecisionRequest,
    ("decision", "proposed"): DecisionProposed,
    ("decision", "validated"): DecisionValidated,
    ("decision", "rejected"): DecisionRejected,
    ("decision", "evaluated"): DecisionEvaluated,
    ("decision", "answered"): DecisionAnswered,
    ("context", "built"): TradingContext,
    ("context", "shadowed"): TradingContext,
    ("control", "requested"): ControlRequested,
    ("alert", "raised"): Alert,
    ("notice", "requested"): Notice,
    ("notice", "settled"): NoticeSettled,
}
_BY_NOUN: dict[str, type[Message]] = {
    "order": OrderEvent,
    "position": PositionEvent,
    "account": AuditEvent,
    "strategy": AuditEvent,
    "config": AuditEvent,
    "letter": AuditEvent,
    "dead": DeadLetter,
}


def body_model(subject: str) -> type[Message]:
    """The model of the bodies on a subject of the log (all but market data). Raises KeyError for any other subject."""
    noun, _, rest = subject.partition(".")
    found = _BY_VERB.get((noun, rest.partition(".")[0])) or _BY_NOUN.get(noun)
    if found is None:
        raise KeyError(f"no body is known for the subject {subject!r}")
    return found


def decode_event(subject: str, data: bytes) -> Message:
    """Parse a body by its subject. Raises KeyError for an unknown subject, pydantic.ValidationError for a bad body."""
    return body_model(subject).model_validate_json(data)


def terminal_status(event: Terminal) -> DecisionStatus:
    """What the end of a decision is called. Abstentions and denials have their own names, faults are `rejected`."""
    if isinstance(event, DecisionValidated):
        return event.status
    if isinstance(event, DecisionEvaluated):
        return "abstained" if event.status == "abstained" else "evaluated"
    if event.reason is RejectReason.ABSTAINED:
        return "abstained"
    return "denied" if event.reason is RejectReason.NOTHING_PASSED else "rejected"


def terminal_at(event: Terminal) -> datetime:
    """Market time of the end of a decision."""
    return event.rejected_at if isinstance(event, DecisionRejected) else event.validated_at
