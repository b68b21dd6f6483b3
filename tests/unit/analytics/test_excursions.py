"""How far the market went for and against a position: by hand, against all prices, and where nobody knows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.analytics.excursions import Excursion, PathBar, TradeHeld, excursion

T0 = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def bar(n: float, low: float, high: float, minutes: int = 1) -> PathBar:
    opened = T0 + n * MINUTE
    return PathBar(opened, opened + minutes * MINUTE, high, low, low)


def held(sign: int = 1, left_at: float = 101.0, since: float = 0, until: float = 5) -> TradeHeld:
    return TradeHeld(sign, 100.0, left_at, T0 + since * MINUTE, T0 + until * MINUTE)


def values(seen: Excursion | None) -> tuple[float, float]:
    assert seen is not None
    return seen.mfe, seen.mae


PATH = [bar(0, 99, 101), bar(1, 97, 100), bar(2, 98, 103), bar(3, 100, 106), bar(4, 101, 104)]


@pytest.mark.parametrize(("sign", "mfe", "mae"), [(1, 6.0, -3.0), (-1, 3.0, -6.0)])
def test_a_long_and_a_short_see_the_same_market_from_both_sides(sign: int, mfe: float, mae: float) -> None:
    seen = excursion(held(sign), PATH)
    assert values(seen) == pytest.approx((mfe, mae))


def test_minutes_of_entry_and_exit_are_not_the_positions_but_its_exit_is() -> None:
    wild = [bar(-0.5, 1, 900), *PATH[1:4], bar(4, 1, 900)]
    seen = excursion(held(left_at=94.0, since=0.1, until=4.9), wild)
    assert values(seen) == pytest.approx((6.0, -6.0))


def test_a_coarser_candle_stands_in_for_minutes_that_the_log_forgot() -> None:
    assert values(excursion(held(), [bar(0, 95, 107, minutes=5)])) == pytest.approx((7.0, -5.0))


@pytest.mark.parametrize("missing", [[0, 1], [2, 3], [3, 4], [0, 1, 2, 3, 4]])
def test_a_part_without_candles_makes_it_unknown(missing: list[int]) -> None:
    assert excursion(held(), [one for n, one in enumerate(PATH) if n not in missing]) is None


def test_a_position_of_seconds_is_its_entry_and_its_exit() -> None:
    assert values(excursion(held(until=0.5), [])) == pytest.approx((1.0, 0.0))


prices = st.floats(50, 150)


@given(st.lists(st.tuples(prices, prices), min_size=1, max_size=40), st.sampled_from([1, -1]), st.randoms())
def test_it_is_the_extreme_of_all_prices_whatever_their_order(
    path: list[tuple[float, float]], sign: int, order: object
) -> None:
    bars = [bar(n, min(one), max(one)) for n, one in enumerate(path)]
    moves = [sign * (price - 100) for one in path for price in one] + [sign * 1.0, 0.0]
    order.shuffle(bars)  # type: ignore[attr-defined]
    seen = excursion(held(sign, until=len(path)), bars)
    assert values(seen) == pytest.approx((max(moves), min(moves)))
