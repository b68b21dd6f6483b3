from hypothesis import given
from hypothesis import strategies as st

from cli.run.backoff import HEALTHY_S, LONGEST_S, Backoff


def test_the_delay_doubles_from_one_second_to_thirty() -> None:
    backoff, delays = Backoff(), []
    for _ in range(7):
        backoff = backoff.died(lived_s=0.5)
        delays.append(backoff.delay)
    assert delays == [1, 2, 4, 8, 16, 30, 30]


def test_a_minute_of_health_begins_anew() -> None:
    tired = Backoff(deaths=9)
    assert tired.died(lived_s=HEALTHY_S).delay == 1
    assert tired.died(lived_s=HEALTHY_S - 0.1).delay == LONGEST_S


def test_one_that_never_died_does_not_wait() -> None:
    assert Backoff().delay == 0


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=2_000))
def test_the_delay_stays_between_one_and_thirty_seconds(lives: list[float]) -> None:
    backoff = Backoff()
    for lived in lives:
        backoff = backoff.died(lived)
        assert 1 <= backoff.delay <= LONGEST_S
