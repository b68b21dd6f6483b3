"""Headers of a message."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.emit import Emit
from libs.runtime.envelope import headers, message_id
from libs.schemas.analytics import Alert
from libs.schemas.base import Message
from libs.schemas.market import MarketTick

WALL = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def alert(alert_id: str = "a-1") -> Alert:
    return Alert(alert_id=alert_id, kind="budget", severity="info", message="", created_at=WALL)


class Step(Message):
    ID_FIELDS = ("decision_id",)

    decision_id: str
    correlation_id: str = "req-9"


def test_the_same_message_has_the_same_headers_whenever_it_is_published() -> None:
    emit = Emit("alert.raised.acc-1", alert())
    first, later = headers(emit, "test", WALL), headers(emit, "test", datetime.now(UTC))
    assert {k: v for k, v in first.items() if k != "ce-time"} == {k: v for k, v in later.items() if k != "ce-time"}
    assert first["Nats-Msg-Id"] == "alert.raised:a-1"


def test_headers_are_a_cloud_event_in_binary_mode() -> None:
    made = headers(Emit("alert.raised.acc-1", alert()), "ledger", WALL)
    assert made["content-type"] == "application/json"
    assert {k: v for k, v in made.items() if k.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-id": "alert.raised:a-1",
        "ce-type": "perpetua.alert.raised.v1",
        "ce-source": "perpetua/ledger",
        "ce-time": "2026-11-20T12:00:00+00:00",
    }


def test_a_body_without_identity_has_no_message_id() -> None:
    tick = Emit("market.tick.BTCUSDT", MarketTick(symbol="BTCUSDT", price=1))
    assert message_id(tick) is None
    assert "Nats-Msg-Id" not in headers(tick, "feed", WALL)


@pytest.mark.parametrize("verb", ["validated", "rejected", "answered", "evaluated"])
def test_the_ends_of_a_decision_share_one_id(verb: str) -> None:
    assert message_id(Emit(f"decision.{verb}.acc-1", Step(decision_id="d-1"))) == "decision.ended:d-1"


def test_other_events_of_a_decision_have_ids_of_their_own() -> None:
    assert message_id(Emit("decision.proposed.acc-1", Step(decision_id="d-1"))) == "decision.proposed:d-1"


CORRELATIONS = {
    "what the emit says": (Emit("alert.raised.a", Step(decision_id="d"), "given"), {"correlation-id": "c"}, "given"),
    "else the body's": (Emit("alert.raised.a", Step(decision_id="d")), {"correlation-id": "c"}, "req-9"),
    "else the cause's": (Emit("alert.raised.a", alert()), {"correlation-id": "c"}, "c"),
    "else the body's id": (Emit("alert.raised.a", alert()), {}, "a-1"),
    "else the kind": (Emit("market.tick.X", MarketTick(symbol="X", price=1)), {}, "market.tick"),
}


@pytest.mark.parametrize("case", CORRELATIONS)
def test_the_correlation_is(case: str) -> None:
    emit, cause, expected = CORRELATIONS[case]
    assert headers(emit, "test", WALL, cause)["correlation-id"] == expected


HEADER = st.text(max_size=300)


@given(HEADER, HEADER)
def test_whatever_a_cause_carries_the_headers_can_be_sent(correlation: str, msg_id: str) -> None:
    cause = {"correlation-id": correlation, "Nats-Msg-Id": msg_id}
    made = headers(Emit("alert.raised.a", alert()), "test", WALL, cause)
    for value in made.values():
        assert value.isascii()
        assert value.isprintable()
