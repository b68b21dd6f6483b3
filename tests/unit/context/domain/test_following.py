"""What is configured is never crowded out, whatever else is on the bus."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from libs.schemas.market import FundingUpdate, MarketNote
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Source
from tests.fakes.context_values import S0, T0, at, candle, tick

OWN = ("BTCUSDT", "ETHUSDT")


def by_tick(market: MarketState, symbol: str) -> None:
    market.on_tick(tick(10, 10, symbol=symbol), 1)


def by_candle(market: MarketState, symbol: str) -> None:
    market.on_candle(candle(0, symbol=symbol), Source.FEED)


def by_funding(market: MarketState, symbol: str) -> None:
    market.on_funding(FundingUpdate(symbol=symbol, funding_time=T0, rate=0.0001), 1)


def by_note(market: MarketState, symbol: str) -> None:
    note = MarketNote(
        note_id=f"n-{symbol}", symbol=symbol, text="!", source="x", published_at=T0, expires_at=T0 + timedelta(hours=1)
    )
    market.on_note(note, 1)


def known(market: MarketState, symbol: str) -> bool:
    return bool(
        market.track(symbol) or market.series(symbol, "1m") or symbol in market.funding or market.notes(symbol, T0)
    )


WAYS = pytest.mark.parametrize("way", [by_tick, by_candle, by_funding, by_note])


@WAYS
@pytest.mark.parametrize(
    ("most", "foreign"),
    [
        pytest.param(500, 600, id="M23: 600 foreign symbols"),
        pytest.param(500, 499, id="as many as there is room for but one"),
        pytest.param(2, 50, id="room for what is configured alone"),
        pytest.param(1, 50, id="more configured than there is room for"),
        pytest.param(3, 4, id="room for one foreign symbol"),
    ],
)
def test_foreign_symbols_never_shut_out_what_is_configured(
    most: int, foreign: int, way: Callable[[MarketState, str], None]
) -> None:
    market = MarketState(Bounds(max_symbols=most))
    market.reserve(OWN)
    names = [f"X{n}USDT" for n in range(foreign)]
    for name in (*names, *OWN):
        way(market, name)
    room = max(0, most - len(OWN))
    assert [known(market, name) for name in names] == [n < room for n in range(foreign)]
    assert all(known(market, name) for name in OWN)
    assert list(market.following.left_out) == names[room:]
    assert market.counts["unfollowed"] == foreign - min(room, foreign)


@pytest.mark.parametrize("moment", [10.0, 65.0, 119.0, 120.0, 3_601.0])
def test_a_symbol_that_is_configured_after_it_was_left_out_is_followed_from_a_whole_minute_on(
    moment: float,
) -> None:
    market = MarketState(Bounds(max_symbols=1))
    by_tick(market, "FOREIGN")
    by_tick(market, "BTCUSDT")
    assert market.track("BTCUSDT") is None
    assert market.reserve(["BTCUSDT"]) == {"BTCUSDT"}
    assert market.reserve(["BTCUSDT"]) == frozenset()
    assert not market.following.left_out
    for n in range(12):
        market.on_tick(tick(moment + 15 * n, 10), n)
    market.close_due(at(moment + 180))
    series = market.series("BTCUSDT", "1m")
    assert series is not None
    assert (int(series.times[0]) - S0) == -int(-moment // 60) * 60
    assert market.track("FOREIGN") is not None


def test_what_is_followed_stays_followed_when_more_is_configured() -> None:
    market = MarketState(Bounds(max_symbols=2))
    for name in ("A", "B", "C"):
        by_tick(market, name)
    market.reserve(["C", "D"])
    for name in ("C", "D", "E"):
        by_tick(market, name)
    assert [track.tick.symbol for track in market.tracks()] == ["A", "B", "C", "D"]
    assert list(market.following.left_out) == ["E"]
