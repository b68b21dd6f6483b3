"""What happened around the trading: changes and commands, alerts, dead letters. Each is written once."""

from datetime import datetime
from typing import Any

from libs.records.collections import ALERTS, AUDIT, DEAD_LETTERS
from libs.schemas.account import ControlRequested
from libs.schemas.acts import act_in_words
from libs.schemas.analytics import Alert
from libs.schemas.audit import AuditEvent
from libs.schemas.dead import DeadLetter
from services.ledger.domain.upserts import Upsert, Upserts


def changed(body: AuditEvent, received: datetime) -> Upserts:
    fields = body.model_dump(exclude={"schema_version", "event_id"}) | {"kind": "change", "received_at": received}
    return (Upsert(AUDIT, body.event_id, set_on_insert=fields),)


def commanded(body: ControlRequested, received: datetime) -> Upserts:
    """A command about trading, in the words of the audit trail."""
    fields: dict[str, Any] = {
        "kind": "control",
        "who": body.by,
        "what": f"act.{body.act.kind}" if body.act else f"control.{body.state}",
        "subject": body.scope,
        "after": act_in_words(body.act) if body.act else body.state,
        "why": body.reason,
        "at": body.requested_at,
        "received_at": received,
    }
    return (Upsert(AUDIT, f"control:{body.control_id}", set_on_insert=fields),)


def alerted(body: Alert, received: datetime) -> Upserts:
    fields = body.model_dump(exclude={"schema_version", "alert_id"}) | {"received_at": received}
    return (Upsert(ALERTS, body.alert_id, set_on_insert=fields),)


def dead_lettered(body: DeadLetter, received: datetime) -> Upserts:
    """Headers become a list: their names may hold dots, which MongoDB takes for paths."""
    fields = body.model_dump(mode="json", exclude={"schema_version", "dead_letter_id", "headers", "at"})
    headers = [{"name": name, "value": value} for name, value in body.headers.items()]
    return (
        Upsert(
            DEAD_LETTERS,
            body.dead_letter_id,
            set_on_insert=fields | {"headers": headers, "at": body.at, "received_at": received},
        ),
    )
