"""This code base keeps to the checks of its own that read all of it."""

from tools.endings import ALLOWED, check_endings
from tools.names import check_names


def test_the_names_of_this_code_base_stand_once() -> None:
    assert check_names() == []


def test_tasks_end_in_one_place_and_every_exception_says_why() -> None:
    assert list(check_endings()) == []
    assert all(len(why) > 10 for why in ALLOWED.values())
