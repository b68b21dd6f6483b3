from functools import cache

import pytest

from libs.schemas.market import Candle
from services.context.domain.series import Source
from tests.builders import account, state
from tests.fakes.context_ports import World
from tests.fakes.context_values import at, candle, strategy, tick


@cache
def day() -> tuple[Candle, ...]:
    return tuple(candle(minute) for minute in range(1_499))


def world_of(minutes: int) -> World:
    """One account with a state, and candles of so many minutes that end at minute 1500."""
    made = World()
    made.config.add(account(), strategy("1m", "5m"))
    made.states.states["acc1"] = state()
    made.market.use(["5m"])
    for minute in day()[-minutes:]:
        made.market.on_candle(minute, Source.FEED)
    made.market.on_tick(tick(1_499 * 60, 100), 1)
    made.market.on_tick(tick(1_499 * 60 + 45, 101), 2)
    made.clock.time = at(1_500 * 60 + 1)
    return made


@pytest.fixture
def world() -> World:
    """With a whole day of candles and an hour."""
    return world_of(1_499)


@pytest.fixture
def young() -> World:
    """With half an hour of candles: enough for a context, with errors."""
    return world_of(30)
