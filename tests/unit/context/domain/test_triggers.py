from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas import ids
from libs.schemas.base import TIMEFRAME_SECONDS, Timeframe
from services.context.domain.triggers import (
    Asked,
    Due,
    boundary,
    due,
    max_age,
    ordered,
    request,
    spread,
    timeframes_in_use,
)
from tests.builders import account
from tests.fakes.context_values import at, strategy

FIVE = strategy("15m", "5m")


def closed(symbol: str, timeframe: Timeframe, close_time: int) -> bool:
    return True


def never_closed(symbol: str, timeframe: Timeframe, close_time: int) -> bool:
    return False


@pytest.mark.parametrize(
    ("name", "seconds", "fires"),
    [
        ("before the grace", 301.9, False),
        ("at the grace", 302.0, True),
        ("while it is young enough", 360.0, True),
        ("too old", 360.1, False),
        ("long after an outage", 550.0, False),
    ],
)
def test_the_shortest_timeframe_fires_two_seconds_after_its_boundary(name: str, seconds: float, fires: bool) -> None:
    fired = due(account(), FIVE, None, closed, at(seconds))
    assert (fired is not None) is fires
    if fired:
        assert fired.close_time == at(300)
        assert fired.cycle == ids.interval_cycle("5m", at(300))


@pytest.mark.parametrize("status", ["paused", "stopped"])
def test_an_account_that_is_not_active_fires_nothing(status: str) -> None:
    assert due(account(status=status), FIVE, None, closed, at(303)) is None


def test_a_cycle_that_was_asked_for_does_not_fire_again() -> None:
    asked = Asked(ids.interval_cycle("5m", at(300)), at(302))
    assert due(account(), FIVE, asked, closed, at(310)) is None
    assert due(account(), FIVE, asked, closed, at(602)) is not None


def test_a_candle_that_is_not_closed_is_waited_for_but_not_for_ever() -> None:
    assert due(account(), FIVE, None, never_closed, at(331.9)) is None
    assert due(account(), FIVE, None, never_closed, at(332)) is not None


def test_triggers_inside_the_pause_between_decisions_are_deferred_as_one() -> None:
    slow = account(min_seconds_between_decisions=400)
    asked = Asked(None, at(0))
    assert due(slow, FIVE, asked, closed, at(302)) is None
    fired = due(slow, FIVE, asked, closed, at(400))
    assert fired is not None
    assert (fired.close_time, fired.planned) == (at(300), at(400))
    assert due(slow, FIVE, asked, closed, at(461)) is None


def test_a_newer_cycle_takes_the_place_of_a_deferred_one() -> None:
    slow = account(min_seconds_between_decisions=700)
    fired = due(slow, FIVE, Asked(None, at(0)), closed, at(702))
    assert fired is not None and fired.close_time == at(600)


def test_a_request_from_another_time_defers_nothing() -> None:
    slow = account(min_seconds_between_decisions=400)
    assert due(slow, FIVE, Asked(None, at(86_400 * 365)), closed, at(303)) is not None


@pytest.mark.parametrize("pause", [0, 30])
def test_a_client_that_asks_does_not_revive_a_cycle_that_was_too_old_to_fire(pause: int) -> None:
    acc = account(min_seconds_between_decisions=pause)
    assert due(acc, FIVE, None, closed, at(450)) is None
    asked = Asked(None, at(450))
    assert all(due(acc, FIVE, asked, closed, at(450 + after)) is None for after in range(120))
    assert due(acc, FIVE, asked, closed, at(603)) is not None


def test_accounts_are_spread_over_the_share_of_the_interval() -> None:
    delays = [spread(f"acc{n}", "5m", 0.05) for n in range(200)]
    assert 0 <= min(delays) < 2 and 13 < max(delays) <= 15
    assert len(set(delays)) == 200
    assert spread("acc1", "4h", 0.1) <= 20


@given(
    st.sampled_from(["1m", "5m", "1h"]),
    st.lists(st.floats(0.1, 40.0), min_size=1, max_size=200),
    st.integers(0, 200),
    st.lists(st.booleans(), min_size=200, max_size=200),
)
def test_each_boundary_fires_at_most_once_and_none_too_old(
    timeframe: Timeframe, steps: list[float], pause: int, closes: list[bool]
) -> None:
    acc, strat = account(min_seconds_between_decisions=pause), strategy(timeframe)
    now, asked, fired = at(3_590), None, []
    for step, ready in zip(steps, closes, strict=False):
        now += timedelta(seconds=step)
        found = due(acc, strat, asked, closed if ready else never_closed, now, 0.1)
        if found is not None:
            _check(found, asked, now, timeframe, pause)
            fired.append(found)
            asked = Asked(found.cycle, found.planned)
    assert all(n == 1 for n in Counter(f.cycle for f in fired).values())


def _check(found: Due, asked: Asked | None, now: datetime, timeframe: Timeframe, pause: int) -> None:
    after = (now - found.close_time).total_seconds()
    assert 2 <= after <= max(max_age(timeframe), pause + max_age(timeframe))
    assert found.planned <= now < request(found).expires_at
    if asked is not None:
        assert (found.planned - asked.at).total_seconds() >= pause


@given(st.floats(0, 400_000), st.sampled_from(sorted(TIMEFRAME_SECONDS)))
def test_a_boundary_is_the_newest_multiple_of_the_interval(seconds: float, timeframe: Timeframe) -> None:
    step, now = TIMEFRAME_SECONDS[timeframe], at(seconds)
    found = boundary(timeframe, now)
    assert found.timestamp() % step == 0
    assert 0 <= (now - found).total_seconds() < step


def test_replicas_publish_the_same_request() -> None:
    first = due(account(), FIVE, None, closed, at(303))
    second = due(account(), FIVE, None, closed, at(309))
    assert first is not None and second is not None
    assert request(first) == request(second)
    assert request(first).expires_at == at(600)


def test_timeframes_in_use_are_those_of_assigned_strategies() -> None:
    accounts = {"a": account("a"), "b": account("b", strategy_id="gone")}
    strategies = {"trend": FIVE, "idle": strategy("1d", strategy_id="idle")}
    assert timeframes_in_use(accounts, strategies) == {"5m", "15m"}
    assert ordered({"4h", "5m", "15m"}) == ("5m", "15m", "4h")
