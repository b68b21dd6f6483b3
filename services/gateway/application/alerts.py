"""Alerts, who looks after them, and the audit trail."""

from libs.records.keys import ApiKey
from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.account import AuditEvent
from libs.schemas.analytics import Acknowledgement, Alert
from libs.schemas.names import key_of
from services.gateway.application.paging import next_cursor, position
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.problems import not_found
from services.gateway.domain.records import AuditEntry, Page, Window
from services.gateway.ports import Deps


async def alerts(deps: Deps, key: ApiKey, open_only: bool, limit: int, cursor: str | None) -> Page[Alert]:
    """Newest first."""
    rows = await deps.analytics.alerts(key.accounts, open_only, Window(limit, position(cursor)))
    places = [PagePosition(alert.created_at, alert.alert_id) for alert in rows]
    return Page(items=rows, next=next_cursor(places, limit))


async def acknowledge(deps: Deps, key: ApiKey, alert_id: str) -> Alert:
    """The alert with who looks after it: the first who said so. Their word goes into the audit trail."""
    known = await deps.analytics.alert(alert_id)
    if known is None or not _sees(key, known):
        raise not_found(f"alert {alert_id[:100]}")
    taken = await deps.analytics.acknowledge(alert_id, key.signature, deps.clock.wall()) or known
    word = taken.acknowledged
    if word is not None and word.by == key.signature and known.acknowledged is None:
        await deps.log.publish(_acknowledged(taken, word), {})
    return taken


async def audit(deps: Deps, key: ApiKey, subject: str | None, limit: int, cursor: str | None) -> Page[AuditEntry]:
    """Newest first; `subject` None stands for all that the key sees."""
    seen = None if key.accounts is None else _subjects(key.accounts)
    if subject is not None:
        seen = frozenset({subject}) if seen is None or subject in seen else frozenset()
    entries = await deps.analytics.audit(seen, Window(limit, position(cursor)))
    places = [PagePosition(entry.at, entry.event_id) for entry in entries]
    return Page(items=entries, next=next_cursor(places, limit))


def _sees(key: ApiKey, alert: Alert) -> bool:
    return key.accounts is None if alert.account_id is None else key.sees(alert.account_id)


def _subjects(accounts: frozenset[str]) -> frozenset[str]:
    """An account in the audit trail: its configuration by its key, its trading by its name."""
    return accounts | {subjects.account_key(key_of(account_id)) for account_id in accounts}


def _acknowledged(alert: Alert, word: Acknowledgement) -> Emit:
    event = AuditEvent(
        event_id=f"ack:{alert.alert_id}"[:100],
        who=word.by,
        what="alert.acknowledged",
        subject=(alert.account_id or "global"),
        after=alert.alert_id,
        why=alert.message[:500],
        at=word.at,
    )
    return Emit(subjects.config_changed(f"alert.{alert.account_id or 'global'}"), event)
