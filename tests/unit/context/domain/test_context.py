from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from libs.schemas import ids
from libs.schemas.base import Timeframe
from libs.schemas.context import TradingContext
from libs.schemas.market import Candle, FundingUpdate
from libs.schemas.reasons import ContextErrorCode, RejectReason
from services.context.domain.assets import Studies, read
from services.context.domain.context import ContextRefusal, Subject, build, rejected
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Source
from tests.builders import account, position, state
from tests.fakes.context_values import at, candle, request, strategy, tick

NOW = at(1_500 * 60 + 5)


@cache
def day(symbol: str) -> tuple[Candle, ...]:
    return tuple(candle(minute, 100 + minute % 7, symbol=symbol) for minute in range(1_500))


def market(**ages: float) -> MarketState:
    """A day of candles of each symbol, and a tick that is so many seconds old at NOW."""
    made = MarketState(Bounds())
    made.use(["5m"])
    for symbol, age in ages.items():
        for minute in day(symbol):
            made.on_candle(minute, Source.FEED)
        made.on_tick(tick(1_500 * 60 + 5 - age, 110, symbol=symbol, mark_price=111), 1)
    return made


def context(made: MarketState, **more: Any) -> TradingContext | ContextRefusal:
    subject = Subject(
        more.pop("account", account(symbols=("BTCUSDT", "ETHUSDT"))),
        more.pop("strategy", strategy("5m", "1m")),
        more.pop("state", state()),
    )
    return build(request(NOW, **more), subject, made, Studies(made), NOW)


def built(made: MarketState, **more: Any) -> TradingContext:
    found = context(made, **more)
    assert isinstance(found, TradingContext), found
    return found


def test_a_context_tells_everything_of_fresh_assets() -> None:
    found = built(market(BTCUSDT=1, ETHUSDT=44))
    assert found.context_id == ids.context_id("acc1", "request:r1")
    assert found.correlation_id == "r1"
    assert found.timeframes == ("1m", "5m")
    assert (found.errors, found.missing_symbols, found.degraded) == ((), (), ())
    asset = found.market_data.assets["BTCUSDT"]
    assert (asset.current_price, asset.mark_price, asset.age_seconds) == (110, 111, 1)
    assert asset.price_change_24h == pytest.approx((110 / (100 + 59 % 7) - 1) * 100)
    assert len(asset.price_history) == 50
    assert asset.price_history[-1].timestamp == at(1_500 * 60)
    assert asset.technical_indicators.interval.timeframe == "1m"
    assert asset.technical_indicators.long_interval.timeframe == "5m"
    assert asset.technical_indicators.long_interval.as_of == at(1_500 * 60)
    assert asset.atr_percent == pytest.approx(asset.technical_indicators.interval.atr_14[-1] / 110 * 100)  # type: ignore[index]
    assert found.market_data.breadth == 1.0


def test_with_one_timeframe_both_intervals_are_it_and_with_three_the_middle_one_is_kept() -> None:
    one = built(market(BTCUSDT=1), strategy=strategy("5m")).market_data.assets["BTCUSDT"].technical_indicators
    assert one.interval == one.long_interval and one.others == ()
    made = market(BTCUSDT=1)
    made.use(["15m"])
    three = built(made, strategy=strategy("15m", "1m", "5m")).market_data.assets["BTCUSDT"].technical_indicators
    assert [s.timeframe for s in (three.interval, *three.others, three.long_interval)] == ["1m", "5m", "15m"]


def test_a_stale_asset_is_left_out_and_named() -> None:
    found = built(market(BTCUSDT=1, ETHUSDT=46))
    assert list(found.market_data.assets) == ["BTCUSDT"]
    assert found.missing_symbols == ("ETHUSDT",)
    assert [(e.scope, e.code) for e in found.errors] == [("ETHUSDT", ContextErrorCode.STALE)]


def test_a_stale_asset_that_is_held_is_degraded() -> None:
    found = built(market(BTCUSDT=1, ETHUSDT=46), state=state(positions=(position("ETHUSDT"),)))
    assert found.degraded == ("ETHUSDT",)
    assert found.missing_symbols == ()
    assert found.account_state.open_positions[0].mark_price == 111


def test_what_there_is_no_room_for_is_named() -> None:
    many = tuple(f"S{n}USDT" for n in range(10))
    found = built(market(BTCUSDT=1), account=account(symbols=many), state=state(positions=(position(),)))
    assert found.symbols == ("BTCUSDT", *many[:9])
    (error,) = [e for e in found.errors if e.scope == "account"]
    assert (error.code, error.message.split(":")[0]) == (ContextErrorCode.LEFT_OUT, "S9USDT")


def test_an_account_whose_figures_no_field_holds_is_refused_with_the_fields_named() -> None:
    huge = position(quantity=Decimal(10**13))
    found = context(market(BTCUSDT=1), state=state(positions=(huge,), version=8))
    assert isinstance(found, ContextRefusal)
    assert (found.reason, found.account_version) == (RejectReason.NO_STATE, 8)
    assert found.detail.startswith("notional: beyond what an account can be")


@pytest.mark.parametrize(
    ("timeframes", "interval", "long_interval", "others"),
    [
        (("5m",), "5m", "5m", []),
        (("4h", "5m"), "5m", "4h", []),
        (("15m", "1m", "1h", "5m"), "1m", "1h", ["5m", "15m"]),
        (("1d", "2h", "1m", "30m", "12h"), "1m", "1d", ["30m", "2h", "12h"]),
    ],
)
def test_the_shortest_timeframe_is_the_interval_the_longest_the_long_one_and_all_are_kept(
    timeframes: tuple[Timeframe, ...], interval: Timeframe, long_interval: Timeframe, others: list[Timeframe]
) -> None:
    made = market(BTCUSDT=1)
    made.use(timeframes)
    found = built(made, account=account(), strategy=strategy(*timeframes))
    sets = found.market_data.assets["BTCUSDT"].technical_indicators
    assert (sets.interval.timeframe, sets.long_interval.timeframe) == (interval, long_interval)
    assert [one.timeframe for one in sets.others] == others
    assert found.timeframes == tuple(dict.fromkeys((interval, *others, long_interval)))


@pytest.mark.parametrize(
    ("name", "ages", "held"),
    [
        ("all stale", {"BTCUSDT": 60, "ETHUSDT": 70}, ()),
        ("all stale, one held", {"BTCUSDT": 60, "ETHUSDT": 70}, ("BTCUSDT",)),
        ("nothing known", {}, ()),
    ],
)
def test_without_a_fresh_asset_there_is_no_context(name: str, ages: dict[str, float], held: tuple[str, ...]) -> None:
    found = context(market(**ages), state=state(positions=tuple(position(s) for s in held)))
    assert isinstance(found, ContextRefusal)
    assert found.reason is RejectReason.NO_MARKET
    event = rejected(request(NOW), found, NOW)
    assert event.decision_id == ids.decision_id(ids.context_id("acc1", "request:r1"), "live")


def test_an_asset_whose_newest_candle_is_missing_is_left_out() -> None:
    made = MarketState(Bounds(), since=None)
    for minute in range(1_498):
        made.on_candle(candle(minute), Source.FEED)
    made.on_candle(candle(1_499, symbol="ETHUSDT"), Source.FEED)
    made.on_tick(tick(1_500 * 60 + 20, 110, symbol="ETHUSDT"), 1)
    made.on_tick(tick(1_500 * 60 + 20, 110), 1)
    later = NOW + timedelta(seconds=15)
    subject = Subject(account(symbols=("BTCUSDT", "ETHUSDT")), strategy("1m"), state())
    found = build(request(NOW), subject, made, Studies(made), later)
    assert isinstance(found, TradingContext)
    assert list(found.market_data.assets) == ["ETHUSDT"]
    assert ContextErrorCode.NO_CANDLES in {e.code for e in found.errors if e.scope == "BTCUSDT 1m"}


def test_a_short_warm_up_and_a_short_history_are_named() -> None:
    made = MarketState(Bounds())
    made.use(["5m"])
    for minute in range(1_460, 1_500):
        made.on_candle(candle(minute), Source.FEED)
    made.on_tick(tick(1_500 * 60 + 4, 110), 1)
    found = built(made, account=account())
    asset = found.market_data.assets["BTCUSDT"]
    assert asset.technical_indicators.interval.ema_50 is None
    assert asset.technical_indicators.interval.ema_20 is not None
    assert (asset.price_change_24h, asset.volume_24h) == (None, None)
    assert {(e.scope, e.code) for e in found.errors} == {
        ("BTCUSDT 1m", ContextErrorCode.WARM_UP),
        ("BTCUSDT 5m", ContextErrorCode.WARM_UP),
        ("BTCUSDT", ContextErrorCode.SHORT_HISTORY),
    }


def test_the_venues_own_24_hours_stand_in_for_missing_candles() -> None:
    made = MarketState(Bounds())
    made.on_candle(candle(1_499), Source.FEED)
    made.on_tick(tick(1_500 * 60 + 4, 110, price_24h_ago=100.0, volume_24h_quote=5e6), 1)
    asset = built(made, account=account(), strategy=strategy("1m")).market_data.assets["BTCUSDT"]
    assert asset.price_change_24h == pytest.approx(10)
    assert asset.volume_24h == 5e6


def test_a_gap_in_the_candles_is_named() -> None:
    made = market(BTCUSDT=1)
    gapped = MarketState(Bounds())
    for minute in range(1_500):
        if minute not in (1_300, 1_400, 1_401, 1_402):
            gapped.on_candle(candle(minute), Source.FEED)
    gapped.on_tick(tick(1_500 * 60 + 4, 110), 1)
    found = built(gapped, account=account(), strategy=strategy("1m"))
    (error,) = [e for e in found.errors if e.code is ContextErrorCode.GAP]
    assert error.scope == "BTCUSDT 1m"
    assert error.message == (
        "candles are missing: 1 from 2025-05-05T21:40:00+00:00 to 2025-05-05T21:41:00+00:00, "
        "3 from 2025-05-05T23:20:00+00:00 to 2025-05-05T23:23:00+00:00; only the 97 since the last gap are used"
    )
    assert not any(e.code is ContextErrorCode.GAP for e in built(made).errors)


def test_an_asset_beyond_bounds_is_left_out_with_the_reason_and_the_others_stay() -> None:
    made = market(BTCUSDT=1, ETHUSDT=1)
    for minute in range(1_500):
        made.on_candle(candle(minute, 1e9, symbol="ETHUSDT", volume=1e13, quote_volume=1e17), Source.FEED)
    found = built(made, account=account(symbols=("BTCUSDT", "ETHUSDT")), strategy=strategy("1m"))
    assert set(found.market_data.assets) == {"BTCUSDT"}
    assert found.missing_symbols == ("ETHUSDT",)
    (error,) = [e for e in found.errors if e.code is ContextErrorCode.BEYOND_BOUNDS]
    assert (error.scope, error.message.partition(":")[0]) == ("ETHUSDT", "volume_24h")


def test_what_a_feed_stopped_saying_is_not_told_any_more() -> None:
    made = market(BTCUSDT=1)
    made.on_tick(
        tick(1_500 * 60 + 4.5, 100, mark_price=101.0, index_price=102.0, open_interest=5.0, next_funding_time=NOW), 2
    )
    asset = built(made).market_data.assets["BTCUSDT"]
    assert (asset.mark_price, asset.index_price, asset.open_interest) == (101.0, 102.0, 5.0)
    assert asset.next_funding_time is None
    later = 1_500 * 60 + 50
    made.on_tick(tick(later, 100), 3)
    asset = read(Studies(made), made, ["BTCUSDT"], (), ("1m",), at(later)).data["BTCUSDT"]
    assert (asset.mark_price, asset.index_price, asset.open_interest) == (None, None, 5.0)


def test_funding_comes_from_updates_where_ticks_say_nothing() -> None:
    made = market(BTCUSDT=1)
    made.on_funding(FundingUpdate(symbol="BTCUSDT", funding_time=NOW + timedelta(hours=1), rate=0.0002), 1)
    asset = built(made).market_data.assets["BTCUSDT"]
    assert (asset.funding_rate, asset.next_funding_time) == (0.0002, NOW + timedelta(hours=1))


def test_symbols_that_were_asked_for_are_the_only_ones() -> None:
    found = built(market(BTCUSDT=1, ETHUSDT=1, SOLUSDT=1), symbols=("SOLUSDT", "SOLUSDT"))
    assert found.symbols == ("SOLUSDT",)


def test_what_is_held_is_decided_on_even_when_the_account_no_longer_lists_it() -> None:
    found = built(market(BTCUSDT=1, SOLUSDT=1), state=state(positions=(position("SOLUSDT"),)))
    assert found.symbols == ("SOLUSDT", "BTCUSDT", "ETHUSDT")


def test_studies_are_shared_until_a_candle_closes() -> None:
    made = market(BTCUSDT=1)
    studies = Studies(made)
    first = studies.of("BTCUSDT", ("1m", "5m"))
    made.on_tick(tick(1_500 * 60 + 5, 120), 2)
    assert studies.of("BTCUSDT", ("1m", "5m")) is first
    made.on_candle(candle(1_500), Source.FEED)
    assert studies.of("BTCUSDT", ("1m", "5m")) is not first
