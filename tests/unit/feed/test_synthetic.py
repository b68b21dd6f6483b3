"""The made-up market."""

from datetime import timedelta
from functools import cache
from itertools import groupby, islice, pairwise
from math import log
from random import Random
from statistics import correlation, stdev

import numpy as np
import pytest

from libs.schemas.market import Candle
from services.feed.adapters.synthetic import SyntheticMarket, UnknownSymbol
from services.feed.domain import synthetic
from services.feed.domain.bars import MINUTE, MinuteBar, bar_ticks
from services.feed.domain.timeframes import candle
from services.feed.domain.timeline import moments, resumed

HOUR = timedelta(hours=1)
DAYS = 3


SOME = ("BTCUSDT", "ETHUSDT", "XRPUSDT", "LINKUSDT")


def market(seed: int = 7, symbols: tuple[str, ...] = SOME) -> SyntheticMarket:
    return SyntheticMarket(seed, symbols, start_day=DAYS + 1, history_days=DAYS)


@cache
def looked_at() -> SyntheticMarket:
    """The market of seed 7 with every symbol, for tests that look at its history and no further."""
    return market(symbols=())


@cache
def begun(seed: int = 7, symbols: tuple[str, ...] = SOME) -> SyntheticMarket:
    """With a day of history: enough for tests that compare it with another one's."""
    return SyntheticMarket(seed, symbols, start_day=2, history_days=1)


@cache
def days() -> tuple[list[str], list[synthetic.Day]]:
    """The symbols of SOME and of the first listings, and what ten days of them were like."""
    state = synthetic.begin(SOME, Random(11), lambda symbol: Random(f"11:{symbol}"))
    made = [synthetic.day(synthetic.EPOCH + n * timedelta(days=1), state) for n in range(10)]
    return [asset.listing.symbol for asset in state.assets], made


def minute(of: SyntheticMarket, bar: MinuteBar) -> Candle | None:
    return candle(of.columns(bar.symbol, bar.open_time, bar.open_time + MINUTE), "1m")


def history(of: SyntheticMarket, symbol: str) -> list[MinuteBar]:
    return of.bars(symbol, of.begins, of.starts)


def test_the_same_seed_makes_the_same_market() -> None:
    one, two, other = begun(), SyntheticMarket(7, SOME[:2], 2, 1), begun(8, SOME[:2])
    for symbol in two.symbols:
        assert history(one, symbol) == history(two, symbol) != history(other, symbol)
        assert one.funding(symbol, one.starts) == two.funding(symbol, two.starts) != other.funding(symbol, one.starts)


def test_a_choice_of_symbols_does_not_change_their_prices() -> None:
    whole, chosen = begun(), begun(symbols=("XRPUSDT", "LINKUSDT"))
    for symbol in chosen.symbols:
        assert history(chosen, symbol) == history(whole, symbol)


def test_it_does_not_matter_in_which_steps_it_is_made() -> None:
    whole, steps = looked_at(), SyntheticMarket(7, SOME[:1], start_day=3, history_days=2)
    pieces = [steps.bars("BTCUSDT", steps.begins + n * HOUR, steps.begins + (n + 1) * HOUR) for n in range(48)]
    assert whole.begins == steps.begins
    assert [bar for piece in pieces for bar in piece] == whole.bars("BTCUSDT", steps.begins, steps.starts)


def test_bars_follow_each_other_and_make_valid_candles_of_every_minute() -> None:
    made = looked_at()
    for symbol in SOME:
        found = history(made, symbol)
        assert len(found) == DAYS * 1_440
        for before, after in pairwise(found):
            assert after.open == before.close
            assert after.open_time - before.open_time == timedelta(minutes=1)
        assert all(minute(made, bar) is not None and (bar.volume > 0) != bar.silent for bar in found)


def test_prices_move_together_and_about_as_much_as_listed() -> None:
    made = looked_at()
    returns = {
        symbol: [log(b.close / a.close) for a, b in zip(bars[::60], bars[60::60], strict=False)]
        for symbol in made.symbols
        for bars in [history(made, symbol)]
    }
    for listing in synthetic.LISTINGS:
        assert stdev(returns[listing.symbol]) == pytest.approx(listing.daily_volatility / 24**0.5, rel=0.35)
        if listing.symbol != "BTCUSDT":
            assert correlation(returns["BTCUSDT"], returns[listing.symbol]) > 0.4


def test_trends_go_their_way_ranges_stay_and_wild_hours_are_wild() -> None:
    symbols, ten = days()
    kinds = np.array([kind for day in ten for kind in day.regimes])
    assert set(kinds.tolist()) == set(synthetic.REGIMES)
    for listing in (listing for listing in synthetic.LISTINGS if listing.symbol in symbols):
        parts = [day.bars[listing.symbol] for day in ten]
        moves = np.concatenate([np.log(np.array(part.close) / np.array(part.open)) for part in parts])
        moves /= listing.daily_volatility / 1_440**0.5
        drift = {kind: float(moves[kinds == kind].mean()) for kind in synthetic.REGIMES}
        assert drift["up"] > 0.03 and drift["down"] < -0.03 and abs(drift["range"]) < 0.03
        spread = {kind: float(moves[kinds == kind].std()) for kind in synthetic.REGIMES}
        assert spread["range"] < spread["up"] < spread["wild"]


def test_volatility_comes_in_clusters() -> None:
    made = looked_at()
    for symbol in SOME:
        moves = [abs(log(bar.close / bar.open)) for bar in history(made, symbol)]
        assert correlation(moves[:-1], moves[1:]) > 0.1
        assert correlation(moves[:-10], moves[10:]) > 0.05


def test_each_symbol_is_silent_now_and_then_for_some_minutes_without_a_tick() -> None:
    made = looked_at()
    for symbol in SOME:
        bars = history(made, symbol)
        lengths = [len(list(run)) for silent, run in groupby(bars, key=lambda bar: bar.silent) if silent]
        assert lengths and 2 <= max(lengths) <= synthetic.SILENT_MINUTES[1] + 1
        quiet = next(bar for bar in bars if bar.silent)
        flat = minute(made, quiet)
        assert flat is not None and (flat.trades, flat.volume, flat.high) == (0, 0.0, flat.low)
        found = list(islice(moments(made, resumed(made, quiet.open_time, {}, {}, {})), 3))
        assert all(tick.symbol != symbol for moment in found for tick in moment.ticks)
        assert all(moment.at < quiet.open_time + MINUTE for moment in found)


def test_funding_of_symbols_moves_together() -> None:
    _, ten = days()
    paid = {symbol: [rate.rate for day in ten for rate in day.funding[symbol]] for symbol in SOME}
    assert {len(rates) for rates in paid.values()} == {30}
    for symbol in SOME[1:]:
        assert correlation(paid["BTCUSDT"], paid[symbol]) > 0.4


def test_funding_is_every_eight_hours_and_bounded() -> None:
    made = looked_at()
    rates = [made.funding("BTCUSDT", made.begins + n * 8 * HOUR) for n in range(3 * DAYS)]
    assert all(rate is not None and rate.time == made.begins + n * 8 * HOUR for n, rate in enumerate(rates))
    assert all(rate is not None and abs(rate.rate) <= synthetic.MAX_RATE for rate in rates)
    assert made.funding("BTCUSDT", made.begins + 9 * HOUR) == rates[1]


def test_it_is_labelled_as_made_up() -> None:
    made = looked_at()
    (tick, *_) = bar_ticks(history(made, "BTCUSDT")[0], made.source, None)
    assert tick.source == "synthetic"
    assert (tick.tick_id or "").startswith("synthetic:BTCUSDT:")


def test_it_never_ends_and_keeps_a_bounded_number_of_days() -> None:
    made = SyntheticMarket(1, SOME[:1], start_day=1, history_days=1)
    far = made.starts + timedelta(days=4)
    made.prepare(far)
    assert made.ends is None
    assert len(made.bars("BTCUSDT", far - HOUR, far)) == 60
    assert made.bars("BTCUSDT", made.starts, made.starts + HOUR) == []


def test_a_symbol_that_it_does_not_have_is_named() -> None:
    with pytest.raises(UnknownSymbol, match="ASSETS names DOGE; the synthetic market has BTCUSDT"):
        market(1, ("DOGE",))
