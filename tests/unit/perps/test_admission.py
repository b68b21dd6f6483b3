"""One source a symbol, and prices that stand alone wait for the next one. A real crash passes within two ticks."""

from datetime import timedelta
from typing import Any

import pytest

from libs.perps.admission import Admission, AdmissionRules, Doubt, DoubtKind
from libs.schemas.market import MarketTick
from tests.builders.market import T0, tick

RULES = AdmissionRules(silence=45)


class Door:
    """An admission with what it let in and what it doubted."""

    def __init__(self, rules: AdmissionRules = RULES) -> None:
        self.doubts: list[Doubt] = []
        self.admission = Admission(rules, self.doubts.append)
        self.let_in: list[tuple[MarketTick, int]] = []
        self.n = 0

    def take(self, price: float, seconds: float | None = None, **more: Any) -> int:
        """How many ticks are let in by this one, 15 s after the one before."""
        self.n += 1
        at = T0 + timedelta(seconds=15 * self.n if seconds is None else seconds)
        made = self.admission.admit(tick(price=price, ts=at, **more), self.n)
        self.let_in += made
        return len(made)

    def prices(self) -> list[float]:
        return [each.price for each, _ in self.let_in]


def quiet(price: float = 100.0, count: int = 40) -> Door:
    door = Door()
    for n in range(count):
        door.take(price * (1 + (n % 3) / 1_000))
    door.let_in.clear()
    return door


# Public prices in USD. Bitcoin on 7 April 2025, when news of a pause of tariffs came and was denied within the hour;
# Terra's LUNA from 9 to 13 May 2022; Bitcoin on 12 March 2020; Bitcoin's flash crash at Binance.US on 21 October 2021.
CRASHES: dict[str, list[float]] = {
    "Bitcoin, 7 April 2025": [78_500, 77_100, 75_800, 74_600, 76_900, 80_800, 78_900, 77_000],
    "LUNA, 9 to 13 May 2022": [64.0, 55.0, 31.0, 17.5, 5.2, 1.1, 0.2, 0.02, 0.0009, 0.00005],
    "Bitcoin, 12 March 2020": [7_900, 7_200, 6_200, 5_600, 4_900, 3_900, 5_000],
    "Bitcoin at Binance.US, 21 October 2021": [65_700, 8_200, 65_000],
    "a coin that is listed anew and rises a hundredfold": [0.01, 0.1, 0.4, 1.0],
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_real_crash_passes_within_two_ticks(name: str) -> None:
    first, *levels = CRASHES[name]
    door = quiet(first)
    for level in levels:
        door.take(level)
        door.take(level * 1.001)
        assert door.prices()[-1] == level * 1.001
    assert set(levels) <= set(door.prices())
    assert not door.doubts


@pytest.mark.parametrize(
    ("prices", "let_in"),
    [
        pytest.param([8_700.0, 100.0], [100.0], id="M21: far beyond the price, once"),
        pytest.param([1.0, 100.0], [100.0], id="ccxt#19660: a hundredth, once"),
        pytest.param([111.0, 100.0, 112.0, 100.5], [100.0, 100.5], id="now and then"),
        pytest.param([7_000.0, 1.5, 100.0], [100.0], id="up, then down: neither confirms the other"),
        pytest.param([109.0, 91.0], [109.0, 91.0], id="within the band"),
        pytest.param([120.0, 121.0], [120.0, 121.0], id="the next one confirms it"),
        pytest.param([50.0, 25.0, 24.0], [50.0, 25.0, 24.0], id="it goes on falling"),
        pytest.param([120.0, 121.0, 100.0], [120.0, 121.0], id="back from a confirmed move it waits again"),
    ],
)
def test_a_price_far_from_the_recent_ones_waits_for_the_next(prices: list[float], let_in: list[float]) -> None:
    door = quiet()
    for price in prices:
        door.take(price)
    assert door.prices() == let_in
    assert [sequence for _, sequence in door.let_in] == sorted(sequence for _, sequence in door.let_in)
    alone = [price for price in prices[:-1] if price not in let_in]
    assert [doubt.kind.value for doubt in door.doubts] == ["price"] * len(alone)


def test_the_same_tick_again_confirms_nothing() -> None:
    for more in ({"tick_id": "a"}, {}):
        door = quiet()
        assert [door.take(10_000.0, 700, **more) for _ in range(5)] == [0] * 5
        assert door.take(100.0) == 1


@pytest.mark.parametrize("figure", ["bid", "ask", "mark_price", "index_price"])
@pytest.mark.parametrize("value", [10_000.0, 1.0, 120.0])
def test_a_figure_that_is_far_from_its_own_price_is_left_out(figure: str, value: float) -> None:
    door = quiet()
    if (figure == "bid" and value > 100) or (figure == "ask" and value < 100):
        figure = "ask" if figure == "bid" else "bid"  # a crossed book is no tick at all
    assert door.take(100.0, **{figure: value}) == 1
    assert getattr(door.let_in[0][0], figure) is None
    assert [doubt.kind.value for doubt in door.doubts] == ["figure"]
    assert door.take(100.0, **{figure: 101.0}) == 1
    assert getattr(door.let_in[1][0], figure) == 101.0


def test_a_band_can_be_wide_and_few_prices_make_none() -> None:
    wide = Door(AdmissionRules(band=5.0))
    assert [wide.take(price) for price in (*[100.0] * 10, 550.0)] == [1] * 11
    few = Door()
    assert [few.take(price) for price in (100.0, 1.0, 10_000.0)] == [1] * 3


@pytest.mark.parametrize(
    ("ticks", "rules", "sources"),
    [
        pytest.param([("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)], RULES, "aaa", id="two publishers in turn"),
        pytest.param(
            [("a", 1), ("a", 2), ("b", 40), ("b", 48), ("b", 49), ("a", 50)], RULES, "aabb", id="the first fell silent"
        ),
        pytest.param([("x", 1), ("a", 2), ("a", 3), ("x", 4)], RULES, "xaa", id="one that said one thing only"),
        pytest.param([("a", 1), ("b", 2), ("a", 90)], AdmissionRules(source="b"), "b", id="configured: b"),
        pytest.param([("a", 1), ("a", 2)], AdmissionRules(source="b"), "", id="configured: one that is away"),
        pytest.param([("a", 1), ("a", 2), ("unknown", 3)], RULES, "aa", id="a price without a source"),
    ],
)
def test_a_symbol_has_one_source_at_a_time(ticks: list[tuple[str, float]], rules: AdmissionRules, sources: str) -> None:
    door = Door(rules)
    for source, seconds in ticks:
        door.take(100.0 if source == "a" else 100.7, seconds, source=source)
    assert "".join(each.source for each, _ in door.let_in) == sources
    assert door.admission.refused[DoubtKind.SOURCE] == len(ticks) - len(sources)
    told = {doubt.message for doubt in door.doubts}
    assert len(told) == len(door.doubts)
    assert bool(told) is (len(sources) < len(ticks))


def test_late_ticks_repair_the_past_and_are_not_compared_with_now() -> None:
    door = quiet()
    assert door.take(150.0, 1) == 1
    assert door.take(100.0) == 1
