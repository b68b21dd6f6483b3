"""Alerts, who looks after them, and the audit trail."""

from dataclasses import replace

from libs.records.keys import ApiKey
from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.analytics import Acknowledgement, Alert
from libs.schemas.audit import AuditEvent
from libs.schemas.names import key_of
from libs.schemas.subjects import strategy_key
from services.gateway.application.access import past_account
from services.gateway.application.paging import aware, next_cursor, position
from services.gateway.application.strategy_access import seen_strategy
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.problems import not_found
from services.gateway.domain.records import AuditEntry, AuditFilter, Page, Window
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
    if word is not None and word.by == key.signature:  # said again by the same key it is the same entry
        await deps.log.publish(_acknowledged(taken, word), {})
    return taken


async def audit(
    deps: Deps, key: ApiKey, subject: str | None, wanted: AuditFilter, limit: int, cursor: str | None
) -> Page[AuditEntry]:
    """Newest first; `subject` None stands for all that the key sees."""
    seen = None if key.accounts is None else _subjects(key.accounts)
    if subject is not None:
        seen = frozenset({subject}) if seen is None or subject in seen else frozenset()
    since, until = aware("from", wanted.since), aware("to", wanted.until)
    return await _entries(deps, replace(wanted, subjects=seen, since=since, until=until), limit, cursor)


async def changes_of_account(
    deps: Deps, key: ApiKey, account_id: str, limit: int, cursor: str | None
) -> Page[AuditEntry]:
    """Changes of an account and controls of it, newest first."""
    await past_account(deps, key, account_id)
    return await _entries(deps, AuditFilter(_subjects(frozenset({account_id}))), limit, cursor)


async def changes_of_strategy(
    deps: Deps, key: ApiKey, strategy_id: str, limit: int, cursor: str | None
) -> Page[AuditEntry]:
    """Changes of a strategy, newest first."""
    await seen_strategy(deps, key, strategy_id)
    return await _entries(deps, AuditFilter(frozenset({strategy_key(key_of(strategy_id))})), limit, cursor)


async def _entries(deps: Deps, wanted: AuditFilter, limit: int, cursor: str | None) -> Page[AuditEntry]:
    entries = await deps.analytics.audit(wanted, Window(limit, position(cursor)))
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
