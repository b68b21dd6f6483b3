"""Alerts and the audit trail."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from libs.records.keys import ApiKey, Scope
from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.account import AuditEvent
from libs.schemas.analytics import Alert
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.problems import not_found
from services.gateway.domain.records import AuditEntry, Cursor, Limit, Page, Window
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.changes import by
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.paging import next_cursor, position
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    """To be included before the routes of strategies: `/{strategy_id}` would take `alerts` for one."""
    router = APIRouter(prefix=base, responses=PROBLEMS)
    may_read, may_trade = Depends(key_with(deps, Scope.READ)), Depends(key_with(deps, Scope.TRADE))

    @router.get("/strategies/alerts", tags=["strategies"])
    async def alerts(
        key: Annotated[ApiKey, may_read],
        open_only: Annotated[bool, Query(alias="open", description="only those that nobody acknowledged")] = False,
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[Alert]:
        """What a person should look at, newest first."""
        found = await deps.analytics.alerts(key.accounts, open_only, Window(limit, position(cursor)))
        return Page(items=found, next=next_cursor([PagePosition(a.created_at, a.alert_id) for a in found], limit))

    @router.post("/alerts/{alert_id}/acknowledge", tags=["strategies"])
    async def acknowledge(alert_id: str, key: Annotated[ApiKey, may_trade]) -> Alert:
        """Say that somebody looks after it; the first who says so stays named."""
        known = await deps.analytics.alert(alert_id)
        if known is None or not _sees(key, known):
            raise not_found(f"alert {alert_id[:100]}")
        now = deps.clock.wall()
        who = by(key, "acknowledged").who
        made = await deps.analytics.acknowledge(alert_id, who, now) or known
        if made.acknowledged is not None and made.acknowledged.by == who and known.acknowledged is None:
            await deps.log.publish(_acknowledged(made, who), {})
        return made

    @router.get("/audit", tags=["audit"])
    async def audit(
        key: Annotated[ApiKey, may_read],
        subject: Annotated[str | None, Query(max_length=100, description="e.g. account.scalping")] = None,
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[AuditEntry]:
        """Who changed what, from what to what, and why, newest first."""
        seen = None if key.accounts is None else _subjects(key.accounts)
        if subject is not None:
            seen = frozenset({subject}) if seen is None or subject in seen else frozenset()
        found = await deps.analytics.audit(seen, Window(limit, position(cursor)))
        return Page(items=found, next=next_cursor([PagePosition(one.at, one.event_id) for one in found], limit))

    return router


def _sees(key: ApiKey, alert: Alert) -> bool:
    return key.accounts is None if alert.account_id is None else key.sees(alert.account_id)


def _subjects(accounts: frozenset[str]) -> frozenset[str]:
    """An account in the audit trail: its configuration by its key, its trading by its name."""
    return accounts | {subjects.account_key(one) for one in accounts}


def _acknowledged(alert: Alert, who: str) -> Emit:
    made = alert.acknowledged
    assert made is not None  # noqa: S101 - the caller has looked
    event = AuditEvent(
        event_id=f"ack:{alert.alert_id}"[:100],
        who=who,
        what="alert.acknowledged",
        subject=(alert.account_id or "global"),
        after=alert.alert_id,
        why=alert.message[:500],
        at=made.at,
    )
    return Emit(subjects.config_changed(f"alert.{alert.account_id or 'global'}"), event)
