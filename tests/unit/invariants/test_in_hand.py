"""What is still on its way is no breach, and what has left the log is not counted as kept."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from libs.invariants.books import wallets_add_up
from libs.invariants.log import Frontier
from libs.invariants.orders import entries_are_one_order, intents_end
from libs.invariants.protection import positions_are_protected
from libs.invariants.requests import requests_end_once
from libs.invariants.rows import ContextRow, CorrectionRow, EndRow, ProposalRow, RequestRow
from tests.unit.invariants.stories import FLOORS, STOP, T0, Story, at, order


def proposed(story: Story, sequence: int) -> None:
    story.log.proposals.append(ProposalRow(sequence, "d", "r", shadow=False, digest=""))


def promoted(story: Story) -> None:
    story.log.ends.append(EndRow(10, "validated", "before", "other", shadow=False))
    story.log.requests.append(RequestRow(2, "other"))
    story.frontier = Frontier(FLOORS, promoted={"r": "before"})


GRACE, LATER = timedelta(seconds=6), T0 + timedelta(seconds=90)
WAYS: list[tuple[str, Callable[[Story], object]]] = [
    ("not read yet", lambda s: s.log.requests.__setitem__(0, RequestRow(10, "r"))),
    ("its context not decided", lambda s: s.log.contexts.append(ContextRow(10, "c", "r"))),
    ("its proposal not judged", lambda s: proposed(s, 10)),
    ("in its account's line", lambda s: setattr(s, "frontier", Frontier(FLOORS, frozenset({"r"})))),
    ("let in by an end in hand", promoted),
]


@pytest.mark.parametrize(("where", "make"), WAYS, ids=[where for where, _ in WAYS])
def test_a_request_that_somebody_has_in_hand_is_not_lost(where: str, make: Callable[[Story], object]) -> None:
    story = Story()
    story.log.ends.clear()
    make(story)
    check = requests_end_once(story.log, story.frontier)
    assert (check.breaches, check.moving) == ((), 1)


def test_what_happened_after_an_account_was_read_is_in_hand() -> None:
    story = Story()
    story.book = replace(story.book, version=1, wallet=Decimal(100), gained=Decimal(0), shown=None)
    assert wallets_add_up(story.log, story.books).breaches == ()
    assert wallets_add_up(story.log, story.books).moving == 2
    assert intents_end(story.log, story.plans, story.books, {}).breaches == ()
    assert entries_are_one_order(story.log, (), story.books).moving == 1


def test_events_that_wait_to_be_told_are_in_hand() -> None:
    story = Story()
    untold = {row.event_id for row in (*story.log.orders, *story.log.positions) if row.version == 3}
    story.book = replace(story.book, untold=frozenset(untold))
    del story.log.positions[1:], story.log.orders[3:]
    check = wallets_add_up(story.log, story.books)
    assert (check.breaches, check.moving) == ((), 1)


def test_a_plan_that_is_not_carried_out_is_in_hand() -> None:
    story = Story()
    story.plan = replace(story.plan, carried_out=False)
    story.log.orders.clear()
    story.log.positions.clear()
    check = intents_end(story.log, story.plans, story.books, {})
    assert (check.breaches, check.moving) == ((), 1)


def test_where_the_log_has_lost_its_beginning_what_went_with_it_is_expired() -> None:
    story = Story()
    story.log.trimmed |= {"ORDERS", "REQUESTS", "DECISIONS"}
    story.log.requests.clear()
    assert requests_end_once(story.log, story.frontier).expired == 1
    assert requests_end_once(story.log, story.frontier).status == "not_checkable"
    del story.log.orders[:2], story.log.positions[:1]
    check = wallets_add_up(story.log, story.books)
    assert (check.breaches, check.expired) == ((), 1)


def test_a_wallet_that_a_venue_corrected_adds_up() -> None:
    story = Story()
    story.log.corrections.append(
        CorrectionRow(**at(4, 0), before=Decimal("96.1"), after=Decimal("146.1"), transfer=True)
    )
    story.book = replace(story.book, version=4, wallet=Decimal("146.1"), shown=None)
    assert wallets_add_up(story.log, story.books).breaches == ()


def test_a_position_of_before_the_log_is_covered_by_the_stop_that_it_names() -> None:
    story = Story()
    story.log.trimmed.add("ORDERS")
    del story.log.orders[2]
    assert positions_are_protected(story.log, story.books, GRACE, LATER).breaches == ()


def test_a_stop_that_is_replaced_in_one_write_leaves_no_gap() -> None:
    story = Story()
    story.log.orders += [
        order("canceled", STOP, "stop", "canceled", at(3, 0, 30)),
        order("placed", "6" * 32, "stop", "open", at(3, 1, 30)),
    ]
    del story.log.orders[3], story.log.positions[1]
    check = positions_are_protected(story.log, story.books, GRACE, LATER)
    assert (check.breaches, check.checked) == ((), 1)
