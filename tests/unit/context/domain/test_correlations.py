"""Correlations against calculations of their own, and what counts as correlated."""

import math
import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.context.domain.correlations import ENOUGH, HALF_LIFE, WINDOW, Correlations, Shared, counts
from services.context.domain.series import Bar, Series, Source

HOUR = 3_600


def correlations(series: Mapping[str, Series | None]) -> Correlations:
    return Shared().of(series)


def hourly(returns: list[float], *, begin: int = 0, leave_out: frozenset[int] = frozenset()) -> Series:
    """Hourly candles with these log returns; `leave_out` are numbers of candles that are missing."""
    series, close = Series(HOUR, 300), 100.0
    for n, r in enumerate([0.0, *returns]):
        close *= math.exp(r)
        if n not in leave_out:
            series.put(Bar(begin + n * HOUR, close, close, close, close), Source.FEED)
    return series


def walk(seed: int, n: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(0, 0.01) for _ in range(n)]


def mixed(base: list[float], seed: int, share: float) -> list[float]:
    """Returns whose true correlation with `base` is `share`."""
    return [share * b + math.sqrt(1 - share**2) * o for b, o in zip(base, walk(seed, len(base)), strict=True)]


def expected(one: list[float], other: list[float]) -> float:
    """The definition written out: sums weighted by age."""
    weights = [0.5 ** ((len(one) - 1 - i) / HALF_LIFE) for i in range(len(one))]
    cov = sum(w * a * b for w, a, b in zip(weights, one, other, strict=True))
    first = sum(w * a * a for w, a in zip(weights, one, strict=True))
    second = sum(w * b * b for w, b in zip(weights, other, strict=True))
    return float(cov / math.sqrt(first * second))


@pytest.mark.parametrize("share", [-0.9, 0.0, 0.5, 0.95])
def test_the_value_is_the_definition_written_out(share: float) -> None:
    one = walk(1, 200)
    other = mixed(one, 2, share)
    found = correlations({"B": hourly(other), "A": hourly(one)})
    assert set(found.values) == set(found.correlated) == {"A|B"}
    assert found.values["A|B"] == pytest.approx(expected(one[-WINDOW:], other[-WINDOW:]), abs=1e-6)


def test_an_even_weighting_of_the_same_returns_is_near_for_long_half_lives() -> None:
    """Against numpy's own: with equal weights and means near zero both are the same figure but for the weighting."""
    one = walk(1, WINDOW)
    other = mixed(one, 2, 0.9)
    found = correlations({"A": hourly(one), "B": hourly(other)}).values["A|B"]
    assert found == pytest.approx(float(np.corrcoef(one, other)[0, 1]), abs=0.06)


@pytest.mark.parametrize(("n", "known"), [(ENOUGH - 1, False), (ENOUGH, True)])
def test_fewer_than_48_returns_count_as_correlated_and_have_no_value(n: int, known: bool) -> None:
    one = walk(1, n)
    found = correlations({"A": hourly(one), "B": hourly(walk(2, n))})
    assert (("A|B" in found.values), found.correlated["A|B"]) == (known, not known)
    assert found.of("A", "B") == (found.values["A|B"] if known else 1.0)


def test_an_asset_without_candles_counts_as_correlated_with_all() -> None:
    found = correlations({"A": None, "B": hourly(walk(1, 100)), "C": hourly(walk(2, 100))})
    assert found.correlated == {"A|B": True, "A|C": True, "B|C": False}


def test_hours_that_one_of_them_lacks_are_left_out_for_both() -> None:
    one, other = walk(1, 120), walk(2, 120)
    found = correlations({"A": hourly(one), "B": hourly(other, leave_out=frozenset({60}))})
    kept = [i for i in range(120) if i not in (59, 60)]  # the returns into and out of the missing candle
    spread_out = [one[i] for i in kept], [other[i] for i in kept]
    assert found.values["A|B"] == pytest.approx(expected(*spread_out), abs=1e-6)


@pytest.mark.parametrize(
    ("path", "on"),
    [
        ((), True),
        ((0.75,), True),
        ((0.7,), True),
        ((0.69,), False),
        ((0.69, 0.8), False),
        ((0.69, 0.81), True),
        ((0.69, 0.81, 0.7), True),
        ((0.9, 0.69, 0.79), False),
        ((-0.9,), False),
    ],
)
def test_above_080_it_is_on_below_070_off_and_in_between_as_before(path: tuple[float, ...], on: bool) -> None:
    assert counts(path) is on


@pytest.mark.parametrize(("now", "on"), [(0.99, True), (0.2, False)])
def test_a_pair_changes_sides_within_days(now: float, on: bool) -> None:
    base, turn = walk(1, WINDOW), WINDOW - 120
    before = mixed(base, 5, 0.2 if on else 0.99)
    other = before[:turn] + mixed(base, 6, now)[turn:]
    assert correlations({"A": hourly(base), "B": hourly(other)}).correlated["A|B"] is on


def test_a_price_that_never_moves_is_correlated_with_nothing() -> None:
    found = correlations({"A": hourly([0.0] * 100), "B": hourly(walk(1, 100))})
    assert (found.values["A|B"], found.correlated["A|B"]) == (0.0, False)


def test_a_changed_candle_changes_the_pairs_that_it_belongs_to() -> None:
    one, other, third, shared = hourly(walk(1, 60)), hourly(walk(2, 60)), hourly(walk(3, 60)), Shared()
    before = shared.of({"A": one, "B": other, "C": third})
    assert shared.of({"B": other, "A": one, "C": third}) == before
    one.put(Bar(60 * HOUR, 200, 200, 200, 200), Source.FEED)
    after = shared.of({"A": one, "B": other, "C": third})
    assert after == correlations({"A": one, "B": other, "C": third})
    assert (after.values["B|C"] == before.values["B|C"], after.values["A|B"] == before.values["A|B"]) == (True, False)


@given(st.integers(0, 10_000), st.integers(0, 130), st.sampled_from([0.5, 0.75, 0.85]))
def test_a_copy_that_began_later_says_the_same(seed: int, more: int, share: float) -> None:
    """With any history beyond the window."""
    one = walk(seed, WINDOW + more)
    other = mixed(one, seed + 1, share)
    late = {"A": hourly(one[-WINDOW:]), "B": hourly(other[-WINDOW:])}
    long, short = correlations({"A": hourly(one), "B": hourly(other)}), correlations(late)
    assert long.values["A|B"] == pytest.approx(short.values["A|B"], abs=1e-6)
    assert long.correlated == short.correlated
