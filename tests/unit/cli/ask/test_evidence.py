"""What is told while `perpetua verify` reads is no evidence against what it read before."""

from datetime import UTC, datetime

from cli.ask.evidence import Evidence
from libs.invariants.log import Frontier
from libs.runtime.reader import Record
from libs.schemas import subjects
from libs.schemas.audit import AuditEvent
from libs.schemas.names import key_of

AT = datetime(2026, 1, 5, tzinfo=UTC)


def sealed(number: int) -> Record:
    """A ledger's word in AUDIT that it has stored a seal, as the message of the same number."""
    event = AuditEvent(
        event_id=f"seal:main:{number}", who="ledger", what="sealed", subject="main", after="ab" * 32, why="", at=AT
    )
    return Record(subjects.account_changed(key_of("main")), event.model_dump_json().encode(), number, None, 0)


def test_heads_count_that_were_told_before_the_seals_were_read() -> None:
    found = Evidence(Frontier(), {}, {}, {}, 1.0, AT, told_until=2)
    for number in (1, 2, 3):
        found.take(subjects.AUDIT.name, sealed(number))
    assert [head.number for head in found.heads] == [1, 2]
