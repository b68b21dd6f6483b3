"""Messages and durables of the runtime's own tests, on a stream of the product."""

from datetime import UTC, datetime

from libs.runtime.emit import Emit
from libs.schemas.analytics import Alert
from libs.schemas.topology import Durable

STREAM = "AUDIT"
INBOX = Durable("test-in", STREAM, ("alert.raised.in",), max_deliver=3, ack_wait_s=2)
ORDERED = Durable("test-ordered", STREAM, ("alert.raised.ordered",), max_ack_pending=1, ack_wait_s=2)
# Of these two nothing that lies forgotten comes again within a test, on the slowest machine.
RESTLESS = Durable("test-restless", STREAM, ("alert.raised.restless",), max_deliver=1_000, ack_wait_s=60)
PATIENT = Durable("test-patient", STREAM, ("alert.raised.patient",), max_deliver=3, ack_wait_s=60)
DURABLES = (INBOX, ORDERED, RESTLESS, PATIENT)
OUT = "alert.raised.out"
DEAD = f"dead.{STREAM}.{INBOX.name}"
_RUN = [0]
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def alert(name: str, message: str = "") -> Alert:
    """An alert under an id that no other test uses: a server remembers ids longer than it keeps messages here."""
    return Alert(alert_id=f"{_RUN[0]}:{name}", kind="budget", severity="info", message=message, created_at=AT)


def order(name: str, to: str = "in", message: str = "") -> Emit:
    """A message for a test durable."""
    return Emit(f"alert.raised.{to}", alert(name, message))


def name_of(body: Alert) -> str:
    """The name that `alert` was given."""
    return body.alert_id.split(":")[1]


def begin_anew() -> None:
    """From now on names give other ids."""
    _RUN[0] += 1


def result(body: Alert) -> Emit:
    """What the test handlers answer: an alert whose id derives from the one they got."""
    return Emit(OUT, body.model_copy(update={"alert_id": f"{body.alert_id}:done"}))
