"""Events in words."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from libs.schemas.names import key_of
from libs.schemas.orders import OrderEvent
from services.notifier.domain.texts import MOST_TOLD, notice_of, payload, together, trial_notice
from tests import builders
from tests.fakes.clock import START
from tests.fakes.notifier_ports import DESK, alert, notice

PHONE = key_of("phone")


def order(kind: str) -> OrderEvent:
    return OrderEvent.model_validate(
        {
            "event_id": "event-1",
            "kind": kind,
            "account_id": "main",
            "account_version": 3,
            "intent": builders.intent(),
            "fill": builders.fill() if kind == "filled" else None,
            "reason": "filter" if kind == "rejected" else None,
            "detail": "too small" if kind == "rejected" else "",
            "decision_id": "dec-1",
            "correlation_id": "req-1",
            "at": START,
        }
    )


def test_an_alert_is_told_with_its_gravity_kind_and_account() -> None:
    made = notice(severity="critical")
    assert (made.title, made.text) == ("CRITICAL drawdown limit of main", "alert number 1")
    assert (made.type, made.kind, made.severity, made.account_id) == (
        "alert.raised",
        "drawdown_limit",
        "critical",
        "main",
    )
    assert notice(account_id=None, severity="info").title == "drawdown limit"


def test_ids_are_those_of_the_event_for_every_route_and_of_the_notice_for_one() -> None:
    desk, phone = notice(), notice(route=PHONE)
    assert desk == notice()
    assert (desk.event_id, desk.source_id) == (phone.event_id, phone.source_id)
    assert desk.event_id.startswith("evt_") and "." not in desk.event_id
    assert desk.notice_id != phone.notice_id
    assert notice(2).event_id != desk.event_id


@pytest.mark.parametrize(
    ("kind", "severity", "said"),
    [("filled", "info", "order filled in main"), ("rejected", "warning", "WARNING order rejected in main")],
)
def test_an_order_is_told(kind: str, severity: str, said: str) -> None:
    made = notice_of(order(kind), DESK)
    assert made is not None
    assert (made.kind, made.severity, made.title) == (f"order.{kind}", severity, said)
    assert "BTCUSDT" in made.text
    assert ("filter. too small" in made.text) == (kind == "rejected")


@pytest.mark.parametrize("kind", ["placed", "canceled", "denied"])
def test_of_other_orders_nobody_is_told(kind: str) -> None:
    assert notice_of(order(kind), DESK) is None
    assert notice_of(builders.control(), DESK) is None


def test_a_position_is_told_with_what_it_brought() -> None:
    event = builders.position_event(
        kind="closed", realized_pnl=Decimal("12.50"), before=builders.position(), after=None
    )
    made = notice_of(event, DESK)
    assert made is not None
    assert (made.kind, made.severity) == ("position.closed", "info")
    assert "realized +12.50" in made.text and f"equity {event.equity}" in made.text


def test_the_body_of_a_webhook_is_the_same_each_time() -> None:
    body = json.loads(payload(notice()))
    assert payload(notice()) == payload(notice())
    assert (body["type"], body["timestamp"]) == ("alert.raised", "2026-11-20T12:00:01Z")
    assert body["data"]["id"] == notice().event_id
    assert body["data"]["source_id"] == "alert-1"


def test_one_notice_alone_keeps_its_title() -> None:
    title, text, severity = together([notice()])
    assert (title, severity) == ("WARNING drawdown limit of main", "warning")
    assert text == "alert number 1\n2026-11-20 12:00:01 UTC"


def test_several_are_told_in_their_order_under_the_gravest() -> None:
    title, text, severity = together([notice(2, severity="critical"), notice(1)])
    assert (title, severity) == ("CRITICAL 2 events", "critical")
    assert [line.partition(" (")[0] for line in text.splitlines()] == [
        "WARNING drawdown limit of main: alert number 1",
        "CRITICAL drawdown limit of main: alert number 2",
    ]


def test_of_very_many_the_rest_is_counted() -> None:
    _, text, _ = together([notice(n) for n in range(1, MOST_TOLD + 6)])
    lines = text.splitlines()
    assert (len(lines), lines[-1]) == (MOST_TOLD + 1, "and 5 more")


def test_a_test_says_that_nothing_has_happened() -> None:
    made = trial_notice(DESK, "1", START)
    assert (made.kind, made.severity, made.account_id) == ("test", "info", None)
    assert "nothing has happened" in made.text
    assert made.notice_id != trial_notice(DESK, "2", START + timedelta(seconds=1)).notice_id


def test_what_is_too_long_is_cut() -> None:
    assert len(notice(message="x" * 4_000).text) == 4_000
    assert alert(message="x" * 4_000).message == notice(message="x" * 4_000).text
