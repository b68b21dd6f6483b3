"""Arms side by side: pairs, forward returns, intervals, and a result that says when there is nothing to see."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.analytics.bootstrap import interval
from libs.analytics.experiments import Decided, Difference, Report, report
from libs.analytics.forward import HORIZONS, Closes, Leg, decision_return, leg_return

T0 = datetime(2026, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def closes(*prices: float, step: timedelta = timedelta(minutes=5)) -> Closes:
    return Closes.of((T0 + n * step, price) for n, price in enumerate(prices))


RISING = {"BTCUSDT": closes(*(100 + n / 12 for n in range(12 * 48)))}  # 1 an hour


def decided(arm: str = "a", n: float = 0, sign: int = 1, **more: Any) -> Decided:
    at = T0 + n * HOUR
    price = 100 + n
    values: dict[str, Any] = {
        "arm": arm, "context_id": f"ctx-{n}", "at": at, "abstained": False, "cost_usd": 0.01, "latency_ms": 100.0,
        "assets": 1, "legs": (Leg("BTCUSDT", sign, price),),
    }  # fmt: skip
    return Decided(**(values | more))


def difference(made: Report, figure: str) -> Difference:
    return next(one for one in made.against[0].differences if one.figure == figure)


@pytest.mark.parametrize(
    ("sign", "horizon", "expected"), [(1, "1h", 1.0), (-1, "1h", -1.0), (1, "4h", 4.0), (1, "24h", 24.0)]
)
def test_a_forward_return_is_signed_by_the_action(sign: int, horizon: str, expected: float) -> None:
    found = leg_return(Leg("BTCUSDT", sign, 100), T0, HORIZONS[horizon], RISING)
    assert found == pytest.approx(expected)


def test_a_return_is_unknown_until_the_market_has_come_so_far_and_where_it_has_a_gap() -> None:
    short = {"BTCUSDT": closes(100, 101, 102)}
    assert leg_return(Leg("BTCUSDT", 1, 100), T0, HOUR, short) is None
    assert leg_return(Leg("XRPUSDT", 1, 100), T0, HOUR, short) is None
    gap = {"BTCUSDT": Closes.of([(T0, 100.0), (T0 + 2 * HOUR, 110.0)])}
    assert leg_return(Leg("BTCUSDT", 1, 100), T0, HOUR, gap) is None
    assert leg_return(Leg("BTCUSDT", 1, 100), T0, 2 * HOUR, gap) == pytest.approx(10.0)


def test_an_asset_without_an_entry_earns_nothing_and_a_hold_is_zero() -> None:
    legs = (Leg("BTCUSDT", 1, 100),)
    assert decision_return(legs, 2, T0, HOUR, RISING) == pytest.approx(0.5)
    assert decision_return((), 3, T0, HOUR, RISING) == 0.0
    assert decision_return((*legs, Leg("XRPUSDT", 1, 1)), 2, T0, HOUR, RISING) is None


def test_shadow_arms_are_compared_on_the_contexts_that_both_decided() -> None:
    rows = [decided("live", n) for n in range(20)] + [decided("b", n, cost_usd=0.03) for n in range(5, 20)]
    made = report(rows, ["live", "b"], RISING, paired=True)
    cost = difference(made, "cost_usd")
    assert (cost.pairs, cost.verdict) == (15, "higher")
    assert [cost.mean, cost.low, cost.high] == pytest.approx([0.02] * 3)
    same = difference(made, "return_1h")
    assert (same.pairs, same.mean, same.verdict) == (15, 0.0, "no difference shown")


def test_a_real_difference_of_returns_is_shown_and_noise_is_not() -> None:
    rows = [decided("live", n, -1) for n in range(24)] + [decided("b", n, 1) for n in range(24)]
    made = report(rows, ["live", "b"], RISING, paired=True)
    assert difference(made, "return_1h").verdict == "higher"
    swapped = report(rows, ["b", "live"], RISING, paired=True)
    assert difference(swapped, "return_1h").verdict == "lower"
    noise = [decided("live", n) for n in range(24)] + [decided("b", n, 1 if n % 2 else -1) for n in range(24)]
    mixed = [one if one.arm == "b" else decided("live", i, -1 if i % 4 < 2 else 1) for i, one in enumerate(noise)]
    assert difference(report(mixed, ["live", "b"], RISING, paired=True), "return_1h").verdict == "no difference shown"


def test_a_day_ahead_needs_many_days_because_its_returns_overlap() -> None:
    rows = [decided("live", n, -1) for n in range(24)] + [decided("b", n, 1) for n in range(24)]
    found = difference(report(rows, ["live", "b"], RISING, paired=True), "return_24h")
    assert (found.pairs, found.verdict, found.low) == (24, "not enough data", None)
    assert found.mean is not None and found.mean > 0


def test_live_arms_are_compared_by_the_hours_in_which_both_decided() -> None:
    rows = [decided("a", n) for n in range(12)] + [decided("b", n + 0.5, context_id=f"other-{n}") for n in range(6, 18)]
    made = report(rows, ["a", "b"], RISING, paired=False)
    assert difference(made, "latency_ms").pairs == 6
    assert difference(report(rows, ["a", "b"], RISING, paired=True), "latency_ms").pairs == 0


def test_what_is_unknown_is_in_no_mean_and_no_pair() -> None:
    rows = [decided("live", 0), decided("b", 0, cost_usd=None, latency_ms=None, abstained=True, legs=())]
    made = report(rows, ["live", "b", "c"], RISING, paired=True)
    live, b, c = made.arms
    assert (b.cost_usd, b.cost_unknown, b.latency_ms, b.abstain_rate, b.returns["1h"]) == (None, 1, None, 1.0, None)
    assert (live.decisions, live.cost_usd) == (1, 0.01)
    assert live.returns["1h"] == pytest.approx(1.0)
    assert (c.decisions, c.abstain_rate, c.cost_usd) == (0, 0.0, None)
    assert difference(made, "cost_usd") == Difference("cost_usd", 0, None, None, None, "not enough data")
    assert (difference(made, "abstain_rate").pairs, difference(made, "abstain_rate").mean) == (1, 1.0)


def market(made: Report, arm: str, baseline: str, figure: str) -> Difference:
    (pair,) = [one for one in made.markets if (one.arm, one.baseline) == (arm, baseline)]
    return next(one for one in pair.differences if one.figure == figure)


def test_every_arm_is_beside_holding_nothing_and_buying_all() -> None:
    bought = (Leg("BTCUSDT", 1, 100.0),)
    rows = [decided("live", n, -1, market=(Leg("BTCUSDT", 1, 100.0 + n),)) for n in range(18)]
    made = report([*rows, decided("b", 0, market=bought), decided("b", 1)], ["live", "b"], RISING, paired=True)
    flat, bought_all = (market(made, "live", name, "return_1h") for name in ("flat", "buy and hold"))
    assert flat.mean == pytest.approx(sum(-100 / (100 + n) for n in range(18)) / 18)
    assert flat.mean is not None and bought_all.mean == pytest.approx(2 * flat.mean)
    assert (flat.pairs, flat.verdict, bought_all.verdict) == (18, "lower", "lower")
    assert (market(made, "b", "flat", "return_1h").pairs, market(made, "b", "buy and hold", "return_1h").pairs) == (
        2,
        1,
    )


def test_a_price_that_was_kept_counts_when_the_log_of_candles_has_forgotten_it() -> None:
    kept = Leg("BTCUSDT", 1, 100.0, {HOUR: 103.0})
    assert leg_return(kept, T0, HOUR, {}) == pytest.approx(3.0)
    assert leg_return(kept, T0, HOUR, RISING) == pytest.approx(3.0)
    assert leg_return(kept, T0, 4 * HOUR, {}) is None


def test_a_comparison_that_shows_nothing_says_how_many_more_pairs_it_takes() -> None:
    few = report(
        [decided("live", n) for n in range(4)] + [decided("b", n) for n in range(4)], ["live", "b"], {}, paired=True
    )
    assert difference(few, "cost_usd").more == 11  # 15 are five blocks of three
    assert difference(few, "return_1h").more is None


floats = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(floats, min_size=1, max_size=60), st.floats(0, 100))
def test_an_interval_lies_among_the_values_and_is_the_same_again(values: list[float], overlap: float) -> None:
    found = interval(values, overlap)
    assert found is not None and found == interval(values, overlap)
    if found.low is not None and found.high is not None:
        slack = 1e-6 * max(1, *(abs(value) for value in values))
        assert min(values) - slack <= found.low <= found.high <= max(values) + slack


def test_the_interval_of_independent_values_is_about_as_wide_as_the_textbook_says() -> None:
    values = [math.sin(n * n) for n in range(400)]
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    found = interval(values)
    assert found is not None and found.low is not None and found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation / math.sqrt(400), rel=0.3)


def test_values_that_hang_together_give_a_wider_interval() -> None:
    values = [math.sin(n // 20) for n in range(600)]
    loose, tight = interval(values, 40), interval(values, 1)
    assert loose is not None and tight is not None
    assert loose.high is not None and loose.low is not None and tight.high is not None and tight.low is not None
    assert loose.high - loose.low > 1.3 * (tight.high - tight.low)


def test_no_values_give_no_interval() -> None:
    assert interval([]) is None
