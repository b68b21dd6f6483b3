"""Routes of alerts and of the audit trail."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from libs.records.keys import ApiKey, Scope
from libs.schemas.analytics import Alert
from services.gateway.application import alerts as application
from services.gateway.domain.records import AuditEntry, AuditFilter, Cursor, Limit, Page
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import AlertPath, Time
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    """To be included before the routes of strategies: `/{strategy_id}` would take `alerts` for one."""
    router = APIRouter(prefix=base, responses=PROBLEMS)
    may_read, may_trade = Depends(key_with(Scope.READ)), Depends(key_with(Scope.TRADE))

    @router.get("/strategies/alerts", tags=["strategies"])
    async def alerts(
        key: Annotated[ApiKey, may_read],
        open_only: Annotated[bool, Query(alias="open", description="only those that nobody acknowledged")] = False,
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[Alert]:
        """What a person should look at, newest first."""
        return await application.alerts(deps, key, open_only, limit, cursor)

    @router.post("/alerts/{alert_id}/acknowledge", tags=["strategies"])
    async def acknowledge(alert_id: AlertPath, key: Annotated[ApiKey, may_trade]) -> Alert:
        """Say that somebody looks after it; the first who says so stays named."""
        return await application.acknowledge(deps, key, alert_id)

    @router.get("/audit", tags=["audit"])
    async def audit(
        key: Annotated[ApiKey, may_read],
        subject: Annotated[str | None, Query(max_length=100, description="e.g. account.scalping")] = None,
        who: Annotated[str | None, Query(max_length=100, description="exactly as it is signed")] = None,
        kind: Annotated[Literal["change", "control"] | None, Query()] = None,
        since: Annotated[Time | None, Query(alias="from", description="included")] = None,
        until: Annotated[Time | None, Query(alias="to", description="not included")] = None,
        limit: Annotated[Limit, Query()] = 50,
        cursor: Annotated[Cursor | None, Query()] = None,
    ) -> Page[AuditEntry]:
        """Who changed what, from what to what, and why, newest first."""
        wanted = AuditFilter(None, who, kind, since, until)
        return await application.audit(deps, key, subject, wanted, limit, cursor)

    return router
