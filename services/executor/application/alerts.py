"""Alerts about accounts that are closed here, or that nobody configures any more."""

import asyncio
import logging
from datetime import datetime

from libs.runtime.emit import Emit
from libs.schemas import subjects
from libs.schemas.account import Account
from libs.schemas.analytics import Alert, AlertKind
from services.executor.application.away import AWAY
from services.executor.ports import EventPublisher

log = logging.getLogger(__name__)


def refused(config: Account, why: str, now: datetime) -> Emit:
    """An account whose configuration cannot be traded for."""
    alert_id = f"refused:{config.account_id}:{config.version}"
    return _critical(alert_id, config.account_id, "venue", f"the account stays closed: {why}", now)


def unreadable(account_id: str, why: str, fence: int, now: datetime) -> Emit:
    """An account whose document nobody can read: nothing watches its stops until it is mended."""
    message = (
        f"the account stays closed, its document in `accounts` cannot be read ({why[:300]}): mend it, then restart"
    )
    return _critical(f"unreadable:{account_id}:{fence}", account_id, "reconcile", message, now)


def orphaned(account_id: str, version: int, symbols: tuple[str, ...], now: datetime) -> Emit:
    """An account that was deleted while something was open: its stops are watched until it is flat."""
    message = f"the account was deleted with {', '.join(symbols)} open: it stays open here until it is flat"
    return _critical(f"orphaned:{account_id}:{version}", account_id, "reconcile", message, now)


async def insist(publisher: EventPublisher, emit: Emit) -> None:
    """Publish it, however long NATS is away."""
    while True:
        try:
            await publisher.publish(emit)
        except AWAY as error:
            log.warning("an alert waits: %r", error)
            await asyncio.sleep(1)
        else:
            return


def _critical(alert_id: str, account_id: str, kind: AlertKind, message: str, now: datetime) -> Emit:
    alert = Alert(
        alert_id=alert_id, account_id=account_id, kind=kind, severity="critical", message=message, created_at=now
    )
    return Emit(subjects.alert_raised(alert.account_id), alert)
