import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.context.domain.series import Put, Series, Source
from tests.fakes.context_values import S0, bar


def filled(minutes: range, capacity: int = 10) -> Series:
    series = Series(60, capacity)
    for minute in minutes:
        series.put(bar(minute, 100.0 + minute), Source.BUILT)
    return series


def test_only_the_newest_bars_are_kept() -> None:
    series = filled(range(57))
    assert len(series) == 10
    assert series.close.tolist() == [100.0 + m for m in range(47, 57)]
    assert series.newest_close == S0 + 57 * 60


@given(st.permutations(range(25)))
def test_any_order_of_arrival_keeps_the_same_bars(order: list[int]) -> None:
    series = Series(60, 25)
    for minute in order:
        series.put(bar(minute, 100.0 + minute), Source.FEED)
    assert series.times.tolist() == [S0 + m * 60 for m in range(25)]
    assert series.close.tolist() == [100.0 + m for m in range(25)]


def test_a_bar_older_than_a_full_series_is_refused() -> None:
    assert filled(range(5, 15)).put(bar(2), Source.FEED) is Put.TOO_OLD


def test_a_missing_bar_in_a_full_series_pushes_the_oldest_out() -> None:
    series = filled(range(5))
    for minute in range(6, 11):
        series.put(bar(minute), Source.BUILT)
    assert series.put(bar(5, 7.0), Source.FEED) is Put.ADDED
    assert series.times.tolist() == [S0 + m * 60 for m in range(1, 11)]
    assert series.closed_at(S0 + 6 * 60) == 7.0


@pytest.mark.parametrize(
    ("here", "comes", "price", "done", "close"),
    [
        (Source.BUILT, Source.FEED, 100.0, Put.SAME, 100.0),
        (Source.BUILT, Source.FEED, 101.0, Put.CORRECTED, 101.0),
        (Source.FEED, Source.BUILT, 101.0, Put.KEPT, 100.0),
        (Source.LOGGED, Source.BUILT, 101.0, Put.KEPT, 100.0),
        (Source.LOGGED, Source.FEED, 101.0, Put.CORRECTED, 101.0),
        (Source.BUILT, Source.BUILT, 101.0, Put.REPLACED, 101.0),
    ],
)
def test_of_two_bars_of_one_minute_the_better_source_stays(
    here: Source, comes: Source, price: float, done: Put, close: float
) -> None:
    series = Series(60, 10)
    series.put(bar(0, 100.0), here)
    assert series.put(bar(0, price), comes) is done
    assert series.close.tolist() == [close]


def test_a_bar_that_says_the_same_takes_the_better_source() -> None:
    series = Series(60, 10)
    series.put(bar(0), Source.BUILT)
    version = series.version
    series.put(bar(0), Source.FEED)
    found = series.at(S0)
    assert found is not None and found[1] is Source.FEED
    assert series.version == version


@pytest.mark.parametrize(("minutes", "n"), [([0, 1, 2], 3), ([0, 2, 3], 2), ([0, 2], 1), ([], 0), ([5], 1)])
def test_contiguous_counts_back_to_the_first_gap(minutes: list[int], n: int) -> None:
    series = Series(60, 10)
    for minute in minutes:
        series.put(bar(minute), Source.BUILT)
    assert series.contiguous(250) == n


def test_a_longer_bar_is_only_made_of_all_its_minutes() -> None:
    series = filled(range(10))
    merged = series.merge(S0 + 300, 300)
    assert merged is not None
    assert (merged.open, merged.high, merged.low, merged.close, merged.volume) == (105, 109, 105, 109, 5)
    assert filled(range(9)).merge(S0 + 300, 300) is None
    gap = filled(range(5))
    gap.put(bar(6), Source.BUILT)
    assert gap.merge(S0 + 120, 300) is None


def test_columns_are_contiguous_so_that_talib_does_not_copy_them() -> None:
    series = filled(range(35))
    assert series.close.flags["C_CONTIGUOUS"] and series.close.dtype == np.float64
