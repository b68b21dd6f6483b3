"""Dead letters keep what can be kept, whatever came in."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.deadletters import MAX_BODY, dead_letter, dead_letter_of_tick, ends, letter_error, rejection
from libs.runtime.emit import Emit
from libs.runtime.reader import Record
from libs.runtime.ticks import BadTick
from libs.schemas import ids
from libs.schemas.dead import DeadLetter
from libs.schemas.experiment import AssignedArm, Assignment
from libs.schemas.reasons import DeadLetterCode, RejectReason
from libs.schemas.subjects import MAX_MESSAGE_BYTES
from libs.schemas.verdict import DecisionEvaluated, DecisionRejected
from tests.fakes.decider_contexts import context
from tests.fakes.validator_values import SHADOW, proposal

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def letter(body: bytes, headers: dict[str, str] | None = None, message: str = "why", field: str = "") -> DeadLetter:
    made = dead_letter(
        subject="decision.requested.acc-1",
        headers=headers,
        body=body,
        stream="REQUESTS",
        durable="context-requests",
        sequence=7,
        error=letter_error(DeadLetterCode.INVALID, message, field),
        deliveries=1,
        now=AT,
    )
    assert made.subject == "dead.REQUESTS.context-requests"
    assert isinstance(made.body, DeadLetter)
    return made.body


def test_text_is_kept_as_text_and_the_id_names_the_message() -> None:
    made = letter("schön".encode(), {"a": "b"})
    assert (made.body, made.body_encoding, made.body_truncated) == ("schön", "utf-8", False)
    assert (made.headers, made.dead_letter_id) == ({"a": "b"}, "REQUESTS:7:context-requests")


def test_bytes_are_kept_in_base64() -> None:
    made = letter(b"\xff\x00")
    assert (base64.b64decode(made.body), made.body_encoding) == (b"\xff\x00", "base64")


def test_long_text_is_cut_between_two_characters() -> None:
    made = letter(b"x" + "ö".encode() * MAX_BODY)
    assert (made.body_encoding, made.body_truncated) == ("utf-8", True)
    assert made.body == "x" + "ö" * ((MAX_BODY - 1) // 2)


@given(st.binary(max_size=300), st.dictionaries(st.text(), st.text()), st.text(), st.text())
def test_there_is_a_letter_for_every_message(body: bytes, headers: dict[str, str], message: str, field: str) -> None:
    made = letter(body, headers, message, field)
    assert DeadLetter.model_validate_json(made.model_dump_json()) == made


def test_the_largest_letter_can_be_published() -> None:
    headers = {f"{n:03}" + "k" * 400: "\x01" * 5_000 for n in range(200)}
    made = letter(b"\x01" * MAX_MESSAGE_BYTES, headers, "\x01" * 10_000, "f" * 500)
    assert len(made.model_dump_json(exclude_none=True)) < MAX_MESSAGE_BYTES


def test_text_that_utf8_cannot_carry_is_replaced_in_the_reason() -> None:
    assert letter_error(DeadLetterCode.HANDLER_ERROR, "bad \ud800 text").message == "bad ? text"


def test_a_bad_tick_has_one_letter_whoever_refuses_it() -> None:
    bad = BadTick(Record("market.tick.X", b"{", 12, None, 0), DeadLetterCode.MALFORMED, None, "a market event is JSON")
    made = dead_letter_of_tick(bad, AT)
    assert made.subject == "dead.MARKET.context-ticks"
    assert isinstance(made.body, DeadLetter)
    assert made.body.dead_letter_id == "MARKET:12"


CONTEXT = ids.context_id("acc-1", "request:r1")
LIVE = ids.decision_id(CONTEXT, "live")
STEPS = {
    "a request": ("context-requests", "decision.requested.acc-1", {"cycle": "request:r1", "request_id": "r1"}),
    "a context": (
        "decider-contexts",
        "context.built.acc-1",
        {"context_id": CONTEXT, "request": {"request_id": "r1"}, "correlation_id": "r1"},
    ),
    "a proposal": (
        "validator-proposals",
        "decision.proposed.acc-1",
        {"context_id": CONTEXT, "decision_id": LIVE, "request_id": "r1"},
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_a_dead_step_ends_its_request_under_the_id_that_the_chain_would_have_had(case: str) -> None:
    durable, subject, body = STEPS[case]
    made = rejection(durable, subject, json.dumps(body).encode(), "why", AT)
    assert made is not None
    assert made.subject == "decision.rejected.acc-1"
    assert isinstance(made.body, DecisionRejected)
    assert (made.body.context_id, made.body.decision_id, made.body.request_id) == (CONTEXT, LIVE, "r1")
    assert (made.body.correlation_id, made.body.reason) == ("r1", RejectReason.DEAD_LETTERED)


def test_a_reader_that_keeps_records_ends_nothing() -> None:
    assert (
        rejection("ledger-requests", "decision.requested.acc-1", b'{"cycle": "c", "request_id": "r"}', "", AT) is None
    )


def shadow_of(made: tuple[Emit, ...]) -> DecisionEvaluated:
    (end,) = made
    assert end.subject == "decision.evaluated.acc1" and isinstance(end.body, DecisionEvaluated)
    assert (end.body.status, end.body.reason) == ("rejected", RejectReason.DEAD_LETTERED)
    return end.body


def test_a_dead_proposal_of_a_shadow_arm_is_evaluated_and_ends_nobodys_request() -> None:
    body = proposal(arm=SHADOW)
    end = shadow_of(ends("validator-proposals", "decision.proposed.acc1", body.model_dump_json().encode(), "why", AT))
    assert (end.decision_id, end.arm, end.detail) == (body.decision_id, SHADOW, "why")


def test_one_that_cannot_even_be_read_ends_as_a_shadow_too() -> None:
    body = proposal(arm=SHADOW).model_dump(mode="json") | {"facts": "gone"}
    (end,) = ends("validator-proposals", "decision.proposed.acc1", json.dumps(body).encode(), "why", AT)
    assert isinstance(end.body, DecisionRejected) and end.body.arm.shadow


def test_a_dead_context_ends_each_of_its_shadow_arms_and_its_request_only_by_the_step_that_decides() -> None:
    arms = [AssignedArm(experiment="models", name=name) for name in ("a", "b")]
    body = context().model_copy(update={"assignment": Assignment(shadows=tuple(arms))})
    data, subject = body.model_dump_json().encode(), f"context.built.{body.account_id}"
    found = ends("decider-shadows", subject, data, "why", AT)
    assert [one.body.message_id() for one in found] == [
        ids.shadow_decision_id(body.context_id, "models", name) for name in ("a", "b")
    ]
    (live,) = ends("decider-contexts", subject, data, "why", AT)
    assert isinstance(live.body, DecisionRejected) and not live.body.arm.shadow
    assert ends("decider-shadows", subject, b"{}", "why", AT) == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["request_id", "x"]), inner),
    max_leaves=5,
)
KEYS = st.sampled_from(["cycle", "request_id", "context_id", "decision_id", "request", "correlation_id"])


@given(
    st.sampled_from([(durable, subject) for durable, subject, _ in STEPS.values()]),
    st.binary(max_size=50)
    | st.one_of(json_values, st.dictionaries(KEYS, json_values)).map(lambda value: json.dumps(value).encode()),
)
def test_nothing_that_a_dead_step_holds_raises(step: tuple[str, str], body: bytes) -> None:
    made = rejection(*step, body, "why", AT)
    assert made is None or isinstance(made.body, DecisionRejected)
