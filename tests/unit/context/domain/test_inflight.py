from datetime import timedelta
from typing import Any

import pytest

from libs.schemas.context import DecisionRequest, Trigger
from libs.schemas.inflight import InFlight
from services.context.domain.inflight import (
    MAX_LINE,
    PlaceFacts,
    RequestCourse,
    ask,
    decision_id,
    known,
    overdue,
    release,
)
from tests.fakes.context_values import at, request

EMPTY = InFlight(account_id="acc1")


def wanted(name: str, seconds: float = 0, **more: Any) -> DecisionRequest:
    return request(at(seconds), request_id=name, cycle=f"request:{name}", **more)


def facts(seconds: float = 0, version: int = 1) -> PlaceFacts:
    return PlaceFacts(at(seconds), at(seconds + 120), version, {"BTCUSDT": 100.0})


def held(*behind: DecisionRequest) -> InFlight:
    slot = ask(EMPTY, wanted("first"), facts()).slot
    for one in behind:
        slot = ask(slot, one, facts()).slot
    return slot


def first_decision() -> str:
    return decision_id("acc1", "request:first")


def test_the_first_request_takes_the_free_place() -> None:
    asking = ask(EMPTY, wanted("first"), facts(5, version=7))
    assert asking.course is RequestCourse.TAKE and asking.slot.holder is not None
    assert asking.slot.holder.decision_id == first_decision()
    assert (asking.slot.holder.account_version, asking.slot.holder.taken_at) == (7, at(5))


COURSES: dict[str, tuple[DecisionRequest, RequestCourse]] = {
    "the holder, delivered again": (wanted("first"), RequestCourse.GO_ON),
    "an identical one": (wanted("second"), RequestCourse.JOIN),
    "an identical one whose facts are known": (
        wanted("second", facts_since=at(0), account_version=1),
        RequestCourse.JOIN,
    ),
    "one about newer facts": (wanted("second", facts_since=at(1)), RequestCourse.WAIT),
    "one about a newer account": (wanted("second", account_version=2), RequestCourse.WAIT),
    "other symbols": (wanted("second", symbols=("BTCUSDT",)), RequestCourse.WAIT),
    "another strategy": (wanted("second", strategy_override="x"), RequestCourse.WAIT),
    "another model": (wanted("second", model="m"), RequestCourse.WAIT),
    "another flag": (wanted("second", force_refresh=True), RequestCourse.WAIT),
}


@pytest.mark.parametrize("case", COURSES)
def test_while_a_decision_is_in_flight(case: str) -> None:
    body, course = COURSES[case]
    asking = ask(held(), body, facts())
    assert asking.course is course
    again = ask(asking.slot, body, facts())
    assert again.course is (RequestCourse.GO_ON if course is RequestCourse.GO_ON else RequestCourse.KNOWN)
    assert again.slot == asking.slot


def test_identical_requests_wait_as_one_that_knows_the_newest_account() -> None:
    slot = held(wanted("second", account_version=5), wanted("third", account_version=9))
    (waiting,) = slot.line
    assert [one.request_id for one in waiting.joined] == ["third"]
    following = release(slot, first_decision(), facts(10, version=6), decided=True)
    assert following is not None and following.holder is not None
    assert (following.holder.request_id, following.holder.account_version) == ("second", 9)
    assert following.holder.after == first_decision()


def test_the_end_of_another_decision_frees_nothing() -> None:
    assert release(held(), "dec-other", facts(), decided=True) is None
    assert release(EMPTY, first_decision(), facts(), decided=True) is None


def test_what_has_ended_is_known_when_it_is_delivered_again() -> None:
    slot = release(held(wanted("second")), first_decision(), facts(), decided=True)
    assert slot is not None and slot.holder is None
    assert ask(slot, wanted("first"), facts()).course is RequestCourse.KNOWN
    assert ask(slot, wanted("second"), facts()).course is RequestCourse.KNOWN


@pytest.mark.parametrize(("decided", "last"), [(True, first_decision()), (False, None)])
def test_prices_are_compared_with_the_last_decision_not_with_a_failure(decided: bool, last: str | None) -> None:
    slot = release(held(), first_decision(), facts(), decided=decided)
    assert slot is not None
    assert (slot.last.decision_id if slot.last else None) == last


def test_clients_fill_the_line_but_a_trigger_always_finds_room() -> None:
    slot = held(*(wanted(f"c{n}", model=f"m{n}") for n in range(MAX_LINE)))
    assert ask(slot, wanted("late", model="m9"), facts()).course is RequestCourse.BUSY
    trigger = wanted("t1", trigger=Trigger(kind="position"), account_version=3)
    asking = ask(slot, trigger, facts())
    assert asking.course is RequestCourse.WAIT
    other = wanted("t2", trigger=Trigger(kind="price"), facts_since=at(9))
    assert ask(asking.slot, other, facts()).course is RequestCourse.JOIN


def test_a_holder_is_overdue_after_its_deadline() -> None:
    assert not overdue(held(), at(120)) and overdue(held(), at(120) + timedelta(seconds=1))
    assert not overdue(EMPTY, at(1_000))


def test_a_place_remembers_a_bounded_number_of_ends() -> None:
    slot = EMPTY
    for n in range(200):
        slot = ask(slot, wanted(f"r{n}"), facts()).slot
        freed = release(slot, decision_id("acc1", f"request:r{n}"), facts(), decided=True)
        assert freed is not None
        slot = InFlight.model_validate_json(freed.model_dump_json())
    assert "r199" in known(slot) and len(slot.ended) == 64
