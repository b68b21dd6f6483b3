import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.runtime.replays import LetterReplay, NumberedLetter, plan
from libs.schemas.dead import DeadLetter, DeadLetterError
from libs.schemas.reasons import DeadLetterCode

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def found(**more: Any) -> NumberedLetter:
    values: dict[str, Any] = {
        "dead_letter_id": "ORDERS:9:ledger-orders",
        "subject": "order.filled.alpha",
        "headers": {"Nats-Msg-Id": "order.filled:e-1", "correlation-id": "c", "Nats-Expected-Stream": "ORDERS"},
        "body": '{"event_id": "e-1"}',
        "stream": "ORDERS",
        "durable": "ledger-orders",
        "sequence": 9,
        "error": DeadLetterError(code=DeadLetterCode.HANDLER_ERROR, message="a fault of ours"),
        "deliveries": 8,
        "at": AT,
    }
    return NumberedLetter(1, DeadLetter(**(values | more)), "dead.ORDERS.ledger-orders", b"")


def test_a_replay_goes_to_the_original_subject_for_the_durable_that_refused_it() -> None:
    made = plan(found(), 0)
    assert isinstance(made, LetterReplay)
    assert (made.subject, made.body) == ("order.filled.alpha", b'{"event_id": "e-1"}')
    assert made.headers == {
        "Nats-Msg-Id": "order.filled:e-1:replay:1",
        "perpetua-replay-for": "ledger-orders",
        "correlation-id": "c",
    }


def test_each_replay_has_an_id_of_its_own_even_when_a_replay_died() -> None:
    again = plan(found(headers={"Nats-Msg-Id": "order.filled:e-1:replay:1"}), 1)
    assert isinstance(again, LetterReplay)
    assert again.headers["Nats-Msg-Id"] == "order.filled:e-1:replay:2"


def test_a_message_without_an_id_is_named_after_its_letter_and_bytes_come_back_as_they_were() -> None:
    raw = b"\xff\x00"
    made = plan(found(headers={}, body=base64.b64encode(raw).decode(), body_encoding="base64"), 0)
    assert isinstance(made, LetterReplay)
    assert made.body == raw and made.headers["Nats-Msg-Id"] == "ORDERS:9:ledger-orders:replay:1"


def test_what_the_executor_refused_goes_to_the_stream_that_execution_takes_from() -> None:
    made = plan(found(stream="EXECUTION", subject="execute.3.control.alpha", durable="executor-p03"), 0)
    assert isinstance(made, LetterReplay)
    assert made.subject == "control.requested.alpha"


REQUEST = '{"request_id": "r1", "cycle": "request:r1", "account_id": "alpha"}'
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a step that has ended": (
        {"durable": "context-requests", "stream": "REQUESTS", "subject": "decision.requested.alpha", "body": REQUEST},
        "cannot end twice",
    ),
    "a tick": ({"stream": "MARKET", "durable": "context-ticks", "subject": "market.tick.BTCUSDT"}, "moved on"),
    "a message that was cut": ({"body_truncated": True}, "only the beginning"),
    "a message that is gone": ({"body": ""}, "was gone"),
    "a subject without a stream": ({"subject": "nowhere.x"}, "no stream takes"),
    "what is not base64": ({"body": "!", "body_encoding": "base64"}, "cannot be decoded"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_not_replayed(case: str) -> None:
    more, why = REFUSED[case]
    made = plan(found(**more), 0)
    assert isinstance(made, str) and why in made


def test_what_is_no_dead_letter_is_not_replayed() -> None:
    assert "not a dead letter" in str(plan(NumberedLetter(3, None, "dead.x.y", b"?"), 0))
