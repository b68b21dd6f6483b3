"""A candle that an exchange revises replaces the first one: it is told again, under another id."""

from datetime import timedelta

import pytest

from libs.schemas.market import Candle
from services.feed.adapters.nats import _CANDLE_ID
from services.feed.domain.history import MissingCandles
from tests.builders.market import T0, candle

MINUTE = timedelta(minutes=1)


def after(*answers: list[Candle]) -> list[Candle]:
    """What is told of these answers of the exchange."""
    missing, told = MissingCandles({}), []
    for answer in answers:
        news = missing.news(answer)
        told += news
        for one in news[-1:]:
            missing.stored(one)
    return told


FIRST = candle()
MORE = candle(volume=1.5)
HIGHER = candle(high=104.0, volume=1.5)
NEXT = candle(open_time=T0 + MINUTE)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param([[FIRST], [FIRST, NEXT]], [(0, 0), (1, 0)], id="nothing was revised"),
        pytest.param([[FIRST], [MORE, NEXT]], [(0, 0), (0, 1), (1, 0)], id="a trade of the last moment"),
        pytest.param([[FIRST], [MORE], [HIGHER]], [(0, 0), (0, 1), (0, 2)], id="revised twice"),
        pytest.param([[FIRST], [MORE], [MORE]], [(0, 0), (0, 1)], id="the revised one again"),
        pytest.param([[FIRST], [MORE], [FIRST]], [(0, 0), (0, 1), (0, 2)], id="revised back"),
        pytest.param([[FIRST], [NEXT], [MORE, NEXT]], [(0, 0), (1, 0)], id="an older one is left alone"),
    ],
)
def test_what_is_told_of_a_candle_that_is_asked_for_again(
    answers: list[list[Candle]], told: list[tuple[int, int]]
) -> None:
    found = after(*answers)
    assert [((each.open_time - T0) // MINUTE, each.revision) for each in found] == told
    ids = [f"market.candle:{each.message_id()}" for each in found]
    assert len(set(ids)) == len(ids)
    assert all(_CANDLE_ID.fullmatch(name) for name in ids)


def test_the_last_candle_is_asked_for_again_with_the_next_one() -> None:
    missing = MissingCandles({("BTCUSDT", "1m"): T0 + MINUTE})
    now = T0 + 2 * MINUTE + timedelta(seconds=2)
    assert missing.since("BTCUSDT", "1m", now) == T0 + MINUTE
    missing.stored(FIRST)
    assert missing.since("BTCUSDT", "1m", now) == T0


def test_a_candle_of_the_context_has_an_id_of_its_own_for_each_revision() -> None:
    names = [candle(origin=origin, revision=n).message_id() for origin in ("feed", "context") for n in (0, 1, 7)]
    assert len(set(names)) == 6
    assert Candle.model_validate_json(FIRST.model_dump_json(exclude={"revision"})).revision == 0
