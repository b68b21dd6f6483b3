"""An event in words, for people and for programs."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from libs.schemas.analytics import Alert
from libs.schemas.base import Message, plain
from libs.schemas.ids import notice_id, told_event_id
from libs.schemas.names import Key
from libs.schemas.notices import SEVERITIES, TEST, Notice, Severity
from libs.schemas.orders import OrderEvent, PositionEvent
from services.notifier.domain.routes import EVENT_SEVERITY

MOST_TOLD = 20  # events in one text; of more the number is said
MARKS: dict[Severity, str] = {"info": "", "warning": "WARNING ", "critical": "CRITICAL "}


def notice_of(body: Message, route: Key) -> Notice | None:
    """What a route is told of an event; None for one that nobody is told."""
    match body:
        case Alert():
            return _of_alert(body, route)
        case OrderEvent():
            return _of_order(body, route)
        case PositionEvent():
            return _of_position(body, route)
    return None


def trial_notice(route: Key, number: str, now: datetime) -> Notice:
    """`number` tells one test from another."""
    return _notice(
        ("test.requested", TEST, "info"),
        number,
        route,
        None,
        ("Perpetua: a test", f"This is a test of the route {route}; nothing has happened."),
        now,
    )


def _of_alert(alert: Alert, route: Key) -> Notice:
    about = f" of {alert.account_id}" if alert.account_id else ""
    title = f"{MARKS[alert.severity]}{alert.kind.replace('_', ' ')}{about}"
    kind = ("alert.raised", alert.kind, alert.severity)
    return _notice(kind, alert.alert_id, route, alert.account_id, (title, alert.message), alert.created_at)


def _of_order(event: OrderEvent, route: Key) -> Notice | None:
    kind, intent = f"order.{event.kind}", event.intent
    if kind not in EVENT_SEVERITY:
        return None
    price = event.fill.price if event.fill else intent.price
    size = event.fill.quantity if event.fill else intent.quantity
    at = f" at {plain(price)}" if price is not None else ""
    why = f": {event.reason}" if event.reason else ""
    text = f"{intent.side} {plain(size)} {intent.symbol}{at} ({intent.leg}){why}"
    text += f". {event.detail}" if event.detail else ""
    return _event((kind, event.event_id, event.account_id, event.at), route, text)


def _of_position(event: PositionEvent, route: Key) -> Notice | None:
    kind, position = f"position.{event.kind}", event.after or event.before
    if kind not in EVENT_SEVERITY or position is None:
        return None
    text = f"{position.side} {plain(position.quantity)} {event.symbol} from {plain(position.entry_price)}"
    if event.kind != "opened":
        text += f", {event.cause}: realized {_signed(event.realized_pnl)}"
    return _event((kind, event.event_id, event.account_id, event.at), route, f"{text}; equity {plain(event.equity)}")


def _event(about: tuple[str, str, Key, datetime], route: Key, text: str) -> Notice:
    kind, source_id, account, at = about
    severity = EVENT_SEVERITY[kind]
    title = f"{MARKS[severity]}{kind.replace('.', ' ')} in {account}"
    return _notice((kind, kind, severity), source_id, route, account, (title, text), at)


def _notice(
    what: tuple[str, str, Severity],
    source_id: str,
    route: Key,
    account: Key | None,
    said: tuple[str, str],
    at: datetime,
) -> Notice:
    told, kind, severity = what
    event_id = told_event_id(told, source_id)
    return Notice(
        notice_id=notice_id(route, event_id),
        event_id=event_id,
        source_id=source_id,
        route=route,
        type=told,
        kind=kind,
        severity=severity,
        account_id=account,
        title=said[0][:500],
        text=said[1][:4_000],
        at=at,
    )


def _signed(money: Decimal) -> str:
    return f"+{plain(money)}" if money > 0 else plain(money)


def together(notices: Sequence[Notice]) -> tuple[str, str, Severity]:
    """Title, text and severity of one message that tells all of them, in the order of their time."""
    told = sorted(notices, key=lambda notice: (notice.at, notice.event_id))
    gravest = max((notice.severity for notice in told), key=SEVERITIES.index)
    if len(told) == 1:
        return told[0].title, f"{told[0].text}\n{_when(told[0])}", gravest
    lines = [f"{notice.title}: {notice.text} ({_when(notice)})" for notice in told[:MOST_TOLD]]
    if len(told) > MOST_TOLD:
        lines.append(f"and {len(told) - MOST_TOLD} more")
    return f"{MARKS[gravest]}{len(told)} events", "\n".join(lines), gravest


def _when(notice: Notice) -> str:
    return f"{notice.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def payload(notice: Notice) -> bytes:
    """The body that a webhook gets: the same bytes at every repetition."""
    data: dict[str, Any] = {
        "id": notice.event_id,
        "source_id": notice.source_id,
        "kind": notice.kind,
        "severity": notice.severity,
        "account_id": notice.account_id,
        "title": notice.title,
        "text": notice.text,
        "route": notice.route,
    }
    body = {"type": notice.type, "timestamp": notice.at.isoformat().replace("+00:00", "Z"), "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
