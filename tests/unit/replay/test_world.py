"""Candles that are folded as whole columns are those that a context worker keeps of the feed's, to the last bit."""

from datetime import timedelta

from cli.run.seed import read_strategies
from libs.schemas.market import Candle
from replay.world import ReplayWorld
from services.context.domain.market import Bounds, MarketState
from services.context.domain.series import Source
from services.feed.domain.timeline import backlog, moments, resumed
from tests.unit.replay.markets import SYMBOLS, market

PLAYED = market(2_400, 2_200, gaps=True)


def test_columns_and_single_candles_make_the_same_series() -> None:
    strategies = [each for each in read_strategies() if each.strategy_id in ("scalping", "aggressive")]
    world = ReplayWorld(PLAYED, strategies, Bounds())
    kept = MarketState(Bounds())
    kept.use(tf for each in strategies for tf in each.timeframe_preference)
    done = resumed(PLAYED, None, {}, {}, {})
    for candle in backlog(PLAYED, done):
        kept.on_candle(candle, Source.FEED)
    for moment in moments(PLAYED, done):
        for event in moment.events:
            if isinstance(event, Candle):
                kept.on_candle(event, Source.FEED)
    at = PLAYED.starts
    while at <= PLAYED.ends:
        world.fold(at)
        at += timedelta(minutes=7)
    world.fold(PLAYED.ends)
    for symbol in SYMBOLS:
        for timeframe in sorted(world.state.timeframes):
            ours, theirs = world.state.series(symbol, timeframe), kept.series(symbol, timeframe)
            assert (ours is None) == (theirs is None)
            if ours is None or theirs is None:
                continue
            assert ours.times.tolist() == theirs.times.tolist()
            for column in ("high", "low", "close", "volume", "quote"):
                assert getattr(ours, column).tolist() == getattr(theirs, column).tolist(), (symbol, timeframe, column)
    assert len(world.state.series(SYMBOLS[0], "5m") or ()) > 100
