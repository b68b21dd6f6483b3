"""How many messages a puller asks for: never more than it has free places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.credits import Credits

FAR = 100.0


def asked(places: int) -> Credits:
    """Credits of a puller that has asked for all of its places in request 1."""
    credits = Credits(places)
    credits.ask(1, credits.wanted, FAR)
    return credits


def test_all_places_are_asked_for_in_one_request() -> None:
    credits = Credits(8)
    assert credits.wanted == 8
    credits.ask(1, 8, FAR)
    assert (credits.wanted, credits.asked) == (0, 8)


def test_one_place_is_asked_for_as_soon_as_it_is_free() -> None:
    credits = asked(1)
    assert credits.take()
    assert credits.wanted == 0
    credits.free()
    assert credits.wanted == 1


def test_of_many_places_half_of_the_free_ones_are_asked_for_together() -> None:
    credits = asked(8)
    for _ in range(3):
        credits.take()
        credits.free()
    assert credits.wanted == 0
    credits.take()
    credits.free()
    assert credits.wanted == 4


def test_what_nobody_asked_for_has_no_place() -> None:
    credits = asked(1)
    assert credits.take()
    assert not credits.take()
    credits.forget()
    credits.free()
    assert not credits.take()


@pytest.mark.parametrize(("left", "wanted"), [(8, 8), (6, 8), (2, 0), (None, 8)])
def test_a_request_that_ends_gives_back_what_it_says(left: int | None, wanted: int) -> None:
    credits = asked(8)
    credits.end(1, left)
    assert credits.wanted == (wanted if wanted == 0 else 8 - credits.asked)
    assert credits.asked == (0 if left is None else 8 - left)


def test_a_request_whose_time_is_over_is_waited_for_no_longer() -> None:
    credits = asked(4)
    credits.sweep(FAR)
    assert credits.asked == 4
    credits.sweep(FAR + 1)
    assert (credits.asked, credits.wanted) == (0, 4)


@given(st.integers(1, 6), st.lists(st.sampled_from(["ask", "come", "done", "end", "gone", "anew"]), max_size=60))
def test_no_more_is_ever_owed_than_there_are_places(places: int, steps: list[str]) -> None:
    """Against a server that keeps its own count of what it may still send."""
    credits, owed, number = Credits(places), {}, 0
    for step in steps:
        if step == "ask" and (count := credits.wanted):
            number += 1
            credits.ask(number, count, FAR)
            owed[number] = count
        elif step == "come" and owed:
            first = min(owed)
            owed[first] -= 1
            if not owed[first]:
                del owed[first]
            assert credits.take()
        elif step == "done" and credits.in_hand:
            credits.free()
        elif step in ("end", "gone") and owed:
            credits.end(min(owed), owed.pop(min(owed)))
        elif step == "anew":
            credits.forget()
            owed.clear()
        assert credits.asked == sum(owed.values())
        assert credits.in_hand + credits.asked <= places
