"""Events become documents, in whatever order and however often they come."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.records.collections import ALERTS, AUDIT, DEAD_LETTERS, DECISIONS, EQUITY, ORDERS, REQUESTS
from libs.schemas import ids
from libs.schemas.analytics import Alert
from libs.schemas.audit import AuditEvent
from libs.schemas.base import Message
from libs.schemas.dead import DeadLetter, DeadLetterError
from libs.schemas.decision import Arm
from libs.schemas.market import MarketTick
from libs.schemas.reasons import AbstainReason, DeadLetterCode, RejectReason
from libs.schemas.verdict import DecisionAnswered, DecisionEvaluated
from services.ledger.domain.project import project
from tests import builders
from tests.fakes.ledger_chain import SYSTEM_PROMPT, T0, Chain, later
from tests.fakes.ledger_store import FakeStore
from tests.forms import examples

CHAIN = Chain()
RECEIVED = later(100)


def evaluated(**changes: Any) -> DecisionEvaluated:
    return DecisionEvaluated.model_validate(CHAIN.validated().model_dump() | changes)


def stored(*events: Message) -> FakeStore:
    store = FakeStore()
    for event in events:
        store.apply_now(project(event, RECEIVED))
    return store


def decision_after(*events: Message) -> dict[str, Any]:
    return stored(*events).collections[DECISIONS][CHAIN.decision_id]


WHOLE = [body for _, body in CHAIN.messages()] + [CHAIN.rejected()]


@examples(40, 1_000)
@given(order=st.permutations(WHOLE), repeated=st.lists(st.sampled_from(WHOLE), max_size=8))
def test_any_order_and_any_repetition_of_events_gives_the_same_documents(
    order: list[Message], repeated: list[Message]
) -> None:
    assert stored(*repeated, *order, *repeated).comparable() == stored(*WHOLE).comparable()


@given(order=st.permutations([*CHAIN.orders(), *CHAIN.positions(), CHAIN.context()]))
def test_sums_of_an_order_are_exact_in_any_order_of_its_fills(order: list[Message]) -> None:
    documents = stored(*order).collections
    kept = documents["orders"][CHAIN.order_id]
    assert (kept["state"], kept["filled"], kept["fee"]) == ("filled", Decimal("0.020"), Decimal("0.6"))
    assert kept["filled_notional"] == Decimal("60000") * Decimal("0.005") + Decimal("60010") * Decimal("0.015")
    assert len(documents["fills"]) == 2


@pytest.mark.parametrize(
    ("events", "status", "reason"),
    [
        ((CHAIN.context(),), "pending", None),
        ((CHAIN.context(), CHAIN.proposed()), "proposed", None),
        ((CHAIN.proposed(), CHAIN.context()), "proposed", None),
        ((CHAIN.validated(), CHAIN.proposed()), "accepted", None),
        ((CHAIN.validated(), CHAIN.rejected()), "accepted", None),
        ((CHAIN.rejected(), CHAIN.validated()), "accepted", None),
        ((CHAIN.rejected(), CHAIN.proposed(), CHAIN.context()), "rejected", "dead_lettered"),
        ((CHAIN.rejected(RejectReason.NOTHING_PASSED), CHAIN.rejected()), "denied", "nothing_passed"),
        ((CHAIN.rejected(RejectReason.UNKNOWN_ACCOUNT),), "rejected", "unknown_account"),
        ((evaluated(dry_run=True, status="denied"), CHAIN.proposed()), "evaluated", None),
        (
            (
                CHAIN.rejected(RejectReason.ABSTAINED).model_copy(update={"abstain_reason": AbstainReason.TIMEOUT}),
                CHAIN.proposed(),
            ),
            "abstained",
            "timeout",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_status_only_advances(events: tuple[Message, ...], status: str, reason: str | None) -> None:
    kept = decision_after(*events)
    assert (kept["status"], kept.get("reason")) == (status, reason)


def test_a_decision_is_flat_where_lists_are_filtered() -> None:
    kept = decision_after(*WHOLE[:4])
    assert kept["symbols"] == ["BTCUSDT"]
    assert kept["actions"] == ["buy"]
    assert kept["strategy"] == {"id": "steady", "version": 1}
    assert kept["model_used"] == "builtin/rules-2"
    assert kept["cost_usd"] == pytest.approx(0.004)
    assert kept["timing"] == {"context": 3.5, "model": 40, "engine": 0.7}
    assert kept["created_at"] == later(0.1)
    assert kept["terminal_at"] == later(0.3)
    assert kept["received_at"] == RECEIVED


def test_an_unknown_cost_of_one_call_makes_the_sum_unknown() -> None:
    calls = (CHAIN.calls()[0], CHAIN.calls()[1].model_copy(update={"cost_usd": None, "cost_source": "unknown"}))
    assert "cost_usd" not in decision_after(CHAIN.proposed().model_copy(update={"calls": calls}))


def test_prompts_are_stored_once_and_named_by_their_hash() -> None:
    other = Chain(request_id="req-2")
    documents = stored(CHAIN.proposed(), other.proposed()).collections
    assert sorted(body["text"] for body in documents["bodies"].values()) == [
        SYSTEM_PROMPT,
        "context of req-1",
        "context of req-2",
    ]
    call = documents["decisions"][CHAIN.decision_id]["calls"][0]
    assert documents["bodies"][call["system_prompt_sha256"]]["text"] == SYSTEM_PROMPT
    assert "system_prompt" not in call
    assert "user_prompt" not in call


def test_the_end_of_the_live_arm_ends_the_request() -> None:
    kept = stored(CHAIN.validated(), CHAIN.request()).collections[REQUESTS][CHAIN.request_id]
    assert kept["outcomes"] == {"validated": later(0.3)}
    assert kept["ended_by"] == kept["decision_id"] == CHAIN.decision_id


def test_the_end_of_a_shadow_arm_does_not_end_the_request() -> None:
    shadow = ids.decision_id(CHAIN.context_id, "other")
    documents = stored(evaluated(decision_id=shadow, arm=Arm(name="other", shadow=True))).collections
    assert documents["decisions"][shadow]["status"] == "evaluated"
    assert "requests" not in documents


def test_a_request_that_another_decision_answered_makes_no_decision_of_its_own() -> None:
    answer = DecisionAnswered(
        decision_id=CHAIN.decision_id,
        context_id=CHAIN.context_id,
        request_id=CHAIN.request_id,
        account_id="alpha",
        answered_by="dec-other",
        why="joined",
        correlation_id="c",
        answered_at=later(1),
    )
    documents = stored(answer, CHAIN.request()).collections
    assert documents["requests"][CHAIN.request_id]["answered_by"] == "dec-other"
    assert "decisions" not in documents


def test_an_ended_order_stays_ended_whatever_a_later_version_says() -> None:
    late = CHAIN.order(9, "placed", 99, "open")
    kept = stored(*CHAIN.orders(), late).collections[ORDERS][CHAIN.order_id]
    assert kept["state"] == "filled"


def test_equity_of_one_moment_is_that_of_the_newest_version() -> None:
    points = stored(*CHAIN.positions(), CHAIN.context()).collections[EQUITY]
    assert {(p["at"], p["equity"], p["source"]) for p in points.values()} == {
        (later(0.1), Decimal("10000.5"), "context"),
        (later(0.41), Decimal("9998.2"), "position"),
    }


def test_equity_belongs_to_the_time_of_its_marks_not_of_the_accounts_last_change() -> None:
    context = CHAIN.context()
    earlier = context.account_state.model_copy(update={"as_of": later(-600)})
    (point,) = stored(context.model_copy(update={"account_state": earlier})).collections[EQUITY].values()
    assert point["at"] == context.timestamp


def test_a_position_event_knows_better_than_a_context_of_the_same_moment() -> None:
    event = CHAIN.position(0, 1, "0.01", "9000").model_copy(update={"at": later(0.1)})
    for events in ((event, CHAIN.context()), (CHAIN.context(), event)):
        (point,) = stored(*events).collections[EQUITY].values()
        assert point["equity"] == Decimal(9000)


def test_commands_and_changes_share_the_audit_trail() -> None:
    control = builders.control(
        "halted", "alpha", control_id="c1", reason="a person said so", by="key-1", requested_at=T0
    )
    change = AuditEvent(event_id="e1", who="key-1", what="account.created", subject="alpha", why="new", at=T0)
    trail = stored(control, change).collections[AUDIT]
    assert {(entry["kind"], entry["who"], entry["what"]) for entry in trail.values()} == {
        ("control", "key-1", "control.halted"),
        ("change", "key-1", "account.created"),
    }


def test_an_acknowledged_alert_is_not_reset_by_its_redelivery() -> None:
    alert = Alert(alert_id="a1", kind="stale", severity="warning", message="no ticks", created_at=T0)
    store = stored(alert)
    store.collections[ALERTS]["a1"]["acknowledged"] = {"by": "me"}
    store.apply_now(project(alert, RECEIVED))
    assert store.collections[ALERTS]["a1"]["acknowledged"] == {"by": "me"}


def test_headers_of_a_dead_letter_are_a_list() -> None:
    letter = DeadLetter(
        dead_letter_id="ORDERS:5:x",
        subject="order.placed.alpha",
        headers={"a.b": "1", "$c": "2"},
        body="{",
        stream="ORDERS",
        durable="ledger-orders",
        sequence=5,
        error=DeadLetterError(code=DeadLetterCode.MALFORMED, message="not JSON"),
        deliveries=1,
        at=T0,
    )
    kept = stored(letter).collections[DEAD_LETTERS]["ORDERS:5:x"]
    assert kept["headers"] == [{"name": "a.b", "value": "1"}, {"name": "$c", "value": "2"}]
    assert kept["error"]["code"] == "malformed"


def test_a_body_without_read_model_is_refused() -> None:
    with pytest.raises(TypeError, match="MarketTick"):
        project(MarketTick(symbol="BTCUSDT", price=1), RECEIVED)


def test_the_earliest_time_wins_over_a_later_one() -> None:
    store = FakeStore()
    for seconds in (5, 1, 3):
        store.apply_now(project(CHAIN.request(), T0 + timedelta(seconds=seconds)))
    assert store.collections[REQUESTS][CHAIN.request_id]["received_at"] == later(1)
