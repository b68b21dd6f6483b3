"""How long the oldest message that is not done has waited, from what can be asked."""

import pytest

from libs.runtime.lag import Age

# Looks at 0, 15, 30 … s: how many wait, up to which sequence all is done, the newest of the stream; and the age then.
LOOKS = {
    "nothing waits": ([(0, 9, 9), (0, 9, 12)], 0),
    "one came between the looks": ([(0, 9, 9), (1, 9, 10)], 15),
    "it still waits": ([(0, 9, 9), (1, 9, 10), (1, 9, 10), (1, 9, 11)], 45),
    "what waited is done, another came": ([(0, 9, 9), (1, 9, 10), (1, 10, 11)], 15),
    "always some, none for long": ([(0, 9, 9), (5, 9, 20), (5, 20, 30), (5, 30, 40), (5, 40, 50)], 15),
    "of before the first look": ([(3, 2, 5), (3, 2, 5)], 15),
    "it was done at last": ([(1, 9, 10), (1, 9, 10), (0, 10, 10)], 0),
}


@pytest.mark.parametrize("case", LOOKS)
def test_the_age_is_that_of_what_waits(case: str) -> None:
    looks, expected = LOOKS[case]
    age, seconds = Age(), 0.0
    for number, (waiting, done, newest) in enumerate(looks):
        seconds = age.seconds(waiting=waiting, done=done, newest=newest, now=15.0 * number)
    assert seconds == expected
