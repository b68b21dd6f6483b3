"""Candles of a feed that is steadily late hold all of their trades, and the asset says that it is late."""

import pytest

from libs.schemas.reasons import ContextErrorCode
from services.context.domain.assets import Studies, read
from services.context.domain.market import Bounds, MarketState
from tests.fakes.context_values import S0, at, tick


def listened(
    delay: float, every: float = 1, jitter: float = 0, seconds: int = 600, bounds: Bounds | None = None
) -> MarketState:
    """A market after so many seconds in which each tick came `delay` late, every third one `jitter` more; the clock
    looks four times a second."""
    market = MarketState(bounds or Bounds())
    arrivals = sorted(
        (n * every + delay + (jitter if n % 3 == 0 else 0), n * every, n) for n in range(int(seconds / every))
    )
    for step in range(4 * seconds):
        now = step / 4
        while arrivals and arrivals[0][0] <= now:
            _, ts, n = arrivals.pop(0)
            market.on_tick(tick(ts, 100 + n % 2, tick_id=f"t{n}"), n)
        if market.unclosed(at(now)):
            market.close_due(at(now))
    return market


def trades(market: MarketState) -> list[int]:
    series = market.series("BTCUSDT", "1m")
    assert series is not None
    return [found[0].trades for opened in series.times if (found := series.at(int(opened))) is not None]


@pytest.mark.parametrize(
    ("delay", "every", "late"),
    [
        pytest.param(23, 1, True, id="M8: steadily late, one a second"),
        pytest.param(11, 0.5, True, id="6 May 2010: quotes of New York more than ten seconds late"),
        pytest.param(0, 1, False, id="in time"),
        pytest.param(1.5, 1, False, id="within the grace"),
        pytest.param(5, 1, True, id="five seconds"),
        pytest.param(40, 1, True, id="almost stale"),
        pytest.param(26, 15, True, id="26 s late, one in 15 s"),
        pytest.param(17, 0.25, True, id="17 s late, four a second"),
    ],
)
def test_a_steady_delay_costs_no_trade_and_is_told(delay: float, every: float, late: bool) -> None:
    market = listened(delay, every)
    counted = trades(market)[2:]  # the first minutes are closed before the delay is known
    assert len(counted) >= 6
    assert set(counted) == {60 / every}
    found = read(Studies(market), market, ("BTCUSDT",), (), ("1m",), at(600))
    told = [error for error in found.errors if error.code is ContextErrorCode.LATE]
    assert bool(told) is late
    assert found.absent == []
    assert not told or f"come {delay:.0f} s late" in told[0].message


def test_a_delay_that_ends_is_forgotten_within_two_minutes() -> None:
    market = listened(20, seconds=300)
    assert market.delay("BTCUSDT") == pytest.approx(20, abs=1)
    for second in range(300, 480):
        market.on_tick(tick(second, 100, tick_id=f"t{second}"), second)
        market.close_due(at(second))
    assert market.delay("BTCUSDT") == 0
    assert market.closed("BTCUSDT", "1m", S0 + 420)


def test_a_stream_that_stopped_is_not_late_but_stale() -> None:
    market = listened(0, seconds=120)
    for step in range(480, 1_200):
        if market.unclosed(at(step / 4)):
            market.close_due(at(step / 4))
    assert market.delay("BTCUSDT") == 0
    assert market.stale("BTCUSDT", at(300))
    assert trades(market) == [60, 60]


def test_one_look_at_a_stream_that_paused_says_nothing() -> None:
    market = MarketState(Bounds())
    market.on_tick(tick(30, 100), 1)
    market.close_due(at(62))
    assert trades(market) == [1]
