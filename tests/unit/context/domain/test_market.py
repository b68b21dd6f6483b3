from datetime import timedelta

from libs.schemas.market import FundingUpdate, MarketNote
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Source
from tests.fakes.context_values import S0, at, candle, tick


def minute(market: MarketState, n: int, price: float) -> None:
    market.on_tick(tick(60 * n, price), n)
    market.close_due(at(60 * n + 62))


def test_the_feeds_candle_wins_and_a_difference_is_counted() -> None:
    market = MarketState(Bounds())
    market.go_live()
    minute(market, 0, 10)
    market.on_candle(candle(0, 11), Source.FEED)
    series = market.series("BTCUSDT", "1m")
    assert series is not None and series.close.tolist() == [11]
    assert market.differences["BTCUSDT", "mismatch"] == 1


def test_a_feeds_candle_that_agrees_is_no_mismatch() -> None:
    market = MarketState(Bounds())
    market.go_live()
    minute(market, 0, 10)
    market.on_candle(candle(0, 10), Source.FEED)
    assert not market.differences


def test_a_late_minute_of_the_feed_completes_the_longer_candle() -> None:
    market = MarketState(Bounds())
    market.use(["5m"])
    for n in (0, 1, 3, 4):
        market.on_candle(candle(n, 10.0 + n), Source.FEED)
    assert market.series("BTCUSDT", "5m") is None
    market.on_candle(candle(2, 99), Source.FEED)
    series = market.series("BTCUSDT", "5m")
    assert series is not None and series.high.tolist() == [99]


def test_a_corrected_minute_corrects_the_longer_candle() -> None:
    market = MarketState(Bounds())
    market.use(["5m"])
    for n in range(5):
        minute(market, n, 10)
    market.on_candle(candle(2, 99), Source.FEED)
    series = market.series("BTCUSDT", "5m")
    assert series is not None and series.high.tolist() == [99]


def test_a_timeframe_that_is_used_later_is_made_of_the_minutes_that_are_there() -> None:
    market = MarketState(Bounds())
    for n in range(12):
        minute(market, n, 10.0 + n)
    assert market.use(["5m", "1m"]) == {"5m"}
    series = market.series("BTCUSDT", "5m")
    assert series is not None and series.close.tolist() == [14, 19]


def test_candles_of_timeframes_that_nobody_uses_are_not_kept() -> None:
    market = MarketState(Bounds())
    market.on_candle(candle(0, timeframe="5m", step=300), Source.FEED)
    assert market.series("BTCUSDT", "5m") is None


def test_a_candle_off_the_grid_is_refused() -> None:
    market = MarketState(Bounds())
    good = candle(0)
    market.on_candle(good.model_copy(update={"open_time": at(7), "close_time": at(67)}), Source.FEED)
    market.on_candle(good.model_copy(update={"close_time": at(90)}), Source.FEED)
    assert market.series("BTCUSDT", "1m") is None
    assert market.counts["misaligned"] == 2


def test_only_so_many_symbols_are_followed() -> None:
    market = MarketState(Bounds(max_symbols=2))
    for n, symbol in enumerate("ABCA"):
        market.on_tick(tick(n, 10, symbol=symbol), n)
    assert [market.track(s) is not None for s in "ABC"] == [True, True, False]
    assert market.counts["unfollowed"] == 1


def test_what_was_built_here_is_handed_out_once() -> None:
    market = MarketState(Bounds())
    market.on_candle(candle(1, 10), Source.FEED)
    minute(market, 0, 10)
    minute(market, 1, 10)
    minute(market, 2, 10)
    assert [b.open_time - int(at(0).timestamp()) for b in market.take_built()] == [0, 120]
    assert market.take_built() == []


def test_values_that_a_tick_leaves_out_keep_their_last_value() -> None:
    market = MarketState(Bounds())
    market.on_tick(tick(0, 10, mark_price=10.5, funding_rate=0.0001, open_interest=7, volume_24h_quote=5), 1)
    market.on_tick(tick(1, 11), 2)
    market.on_tick(tick(0.5, 9, mark_price=1.0), 3)
    track = market.track("BTCUSDT")
    assert track is not None
    assert (track.tick.price, track.mark, track.funding_rate) == (11, 10.5, 0.0001)
    assert (track.open_interest, track.volume_24h) == (7, 5)


def test_the_newest_five_unexpired_notes_are_told_oldest_first() -> None:
    market = MarketState(Bounds())
    for n in range(8):
        expires = at(5) if n == 7 else at(100)
        note = MarketNote(note_id=f"n{n}", symbol=None, text="x", source="s", published_at=at(n), expires_at=expires)
        market.on_note(note, n)
        market.on_note(note, n)
    assert [n.note_id for n in market.notes(None, at(10))] == ["n2", "n3", "n4", "n5", "n6"]
    assert market.notes("BTCUSDT", at(10)) == ()


def test_the_newest_funding_update_stays() -> None:
    market = MarketState(Bounds())
    for hours, rate in ((8, 0.1), (16, 0.2), (8, 0.3)):
        update = FundingUpdate(symbol="BTCUSDT", funding_time=at(0) + timedelta(hours=hours), rate=rate)
        market.on_funding(update, 1)
    assert market.funding["BTCUSDT"].rate == 0.2


def past(market: MarketState, *seconds: float, price: float = 10) -> None:
    for second in seconds:
        market.on_tick(tick(second, price + second / 1_000), 1)


def closes(market: MarketState) -> dict[int, float]:
    series = market.series("BTCUSDT", "1m")
    return {} if series is None else dict(zip((series.times - S0).tolist(), series.close.tolist(), strict=True))


def test_past_ticks_after_a_fresh_one_make_the_candles_that_are_not_there() -> None:
    market = MarketState(Bounds(max_tick_age=1_000))
    market.use(["5m"])
    market.on_tick(tick(610, 50), 1)
    past(market, 0, 30, 61, 125, 181, 190, 181)
    assert closes(market) == {0: 10.03, 60: 10.061, 120: 10.125}
    for minute in (11, 12):  # once nothing more has come between two closings, the rest is closed as well
        past(market, *([200] if minute == 11 else []))
        market.close_due(at(60 * minute + 2))
    assert closes(market) == {0: 10.03, 60: 10.061, 120: 10.125} | dict.fromkeys(
        range(180, 600, 60), 10.2
    ) | dict.fromkeys((600, 660), 50)
    five = market.series("BTCUSDT", "5m")
    assert five is not None and five.times.tolist() == [S0, S0 + 300]
    assert five.volume.tolist() == [7.0, 0.0]
    assert market.counts["past"] == 7


def test_a_still_older_stretch_may_follow() -> None:
    market = MarketState(Bounds(max_tick_age=1_000))
    market.on_tick(tick(610, 50), 1)
    past(market, 300, 400)
    for minute in (11, 12):
        market.close_due(at(60 * minute + 2))
    past(market, 60, 299)
    for minute in (13, 14):
        market.close_due(at(60 * minute + 2))
    assert sorted(closes(market))[:10] == [60 * minute for minute in range(1, 11)]
    track = market.track("BTCUSDT")
    assert track is not None and (track.begins - S0, track.too_old) == (60, 0)


def test_past_ticks_do_not_touch_candles_that_are_there_nor_minutes_that_were_not_seen_whole() -> None:
    there = MarketState(Bounds())
    there.on_candle(candle(1, 99), Source.FEED)
    there.on_tick(tick(610, 50), 1)
    past(there, 70, 80)
    assert closes(there)[60] == 99 and there.counts["past"] == 0
    halfway = MarketState(Bounds(), since=None)
    halfway.on_tick(tick(610, 50), 1)
    past(halfway, 70, 80)
    assert halfway.counts["past"] == 0
    track = halfway.track("BTCUSDT")
    assert track is not None and track.too_old == 2


def test_a_feeds_candle_of_minutes_without_ticks_is_missed_and_not_a_mismatch() -> None:
    market = MarketState(Bounds(max_tick_age=1_000))
    market.go_live()
    for second in (10, 200):
        market.on_tick(tick(second, 10), 1)
    assert closes(market) == {0: 10, 60: 10, 120: 10}
    market.on_candle(candle(1, 12), Source.FEED)
    market.on_candle(candle(3, 12), Source.FEED)
    market.close_due(at(242))
    assert market.differences == {("BTCUSDT", "missed"): 1, ("BTCUSDT", "mismatch"): 1}
    assert closes(market) == {0: 10, 60: 12, 120: 10, 180: 12}


def test_missing_candles_are_counted() -> None:
    market = MarketState(Bounds())
    for minute in (0, 1, 4, 9):
        market.on_candle(candle(minute), Source.FEED)
        market.on_candle(candle(minute, symbol="ETHUSDT"), Source.FEED)
    series = market.series("BTCUSDT", "1m")
    assert series is not None
    assert series.gaps(10) == [(S0 + 120, 2), (S0 + 300, 4)]
    assert series.gaps(2) == [(S0 + 300, 4)]
    assert market.missing("1m") == 12
