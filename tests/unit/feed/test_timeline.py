"""The run of events, whole and cut anywhere."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.market import Candle, FundingUpdate
from services.feed.domain.bars import STEP
from services.feed.domain.timeframes import TIMEFRAMES
from services.feed.domain.timeline import HISTORY, HISTORY_1M, Moment, Progress, backlog, moments, resumed
from tests.fakes.feed_markets import MIDNIGHT, small_market
from tests.forms import examples

MARKET = small_market(days=2, start_day=2)
FRESH = resumed(MARKET, None, {}, {}, {})
HOURS = 2


def hours(run: Iterable[Moment], until: datetime) -> list[Moment]:
    return list(takewhile(lambda moment: moment.at <= until, run))


@cache
def history() -> dict[tuple[str, str], set[datetime]]:
    """Opening times of the backlog's candles."""
    opened: dict[tuple[str, str], set[datetime]] = {}
    for c in backlog(MARKET, FRESH):
        opened.setdefault((c.symbol, c.timeframe), set()).add(c.open_time)
    return opened


@cache
def whole_run() -> tuple[Moment, ...]:
    return tuple(hours(moments(MARKET, FRESH), MARKET.ends))


END = MARKET.starts + timedelta(hours=HOURS)


@cache
def first_hours() -> frozenset[str]:
    return frozenset(keys(hours(whole_run(), END)))


def keys(run: Iterable[Moment]) -> list[str]:
    """Every event under its identity."""
    found: list[str] = []
    for moment in run:
        found += [f"{type(event).__name__}:{event.message_id()}" for event in moment.events]
        found += [tick.tick_id or "" for tick in moment.ticks]
    return found


def test_the_history_ends_where_the_market_starts() -> None:
    found = list(backlog(MARKET, FRESH))
    count = Counter((candle.symbol, candle.timeframe) for candle in found)
    assert count["AAA", "1m"] == 1_440 < HISTORY_1M
    assert count["AAA", "3m"] == HISTORY
    assert count["AAA", "1h"] == 24
    assert count["AAA", "1d"] == 1
    assert len(count) == 2 * len(TIMEFRAMES)
    assert max(candle.close_time for candle in found) == MARKET.starts
    assert len({candle.message_id() for candle in found}) == len(found)


def test_history_keeps_to_its_limit() -> None:
    longer = small_market(days=4, start_day=4)
    found = [c for c in backlog(longer, resumed(longer, None, {}, {}, {})) if c.timeframe == "1m" and c.symbol == "AAA"]
    assert len(found) == HISTORY_1M
    assert found[-1].close_time == longer.starts


def test_a_first_run_plays_every_bar_from_the_start_to_the_end() -> None:
    assert sum(len(moment.ticks) for moment in whole_run()) == 2 * 1_440 * 4
    assert whole_run()[0].at == MARKET.starts
    assert whole_run()[-1].at == MARKET.ends
    assert all(before.at < after.at for before, after in pairwise(whole_run()))
    assert len(set(keys(whole_run()))) == len(keys(whole_run()))


def test_a_candle_is_published_when_it_closed_and_never_before() -> None:
    for moment in whole_run():
        assert all(event.close_time == moment.at for event in moment.events if isinstance(event, Candle))
        assert all(tick.ts == moment.at for tick in moment.ticks)


def test_every_timeframe_closes_at_the_end_of_the_day() -> None:
    last = {(event.symbol, event.timeframe) for event in whole_run()[-1].events if isinstance(event, Candle)}
    assert last == {(symbol, timeframe) for symbol in MARKET.symbols for timeframe in TIMEFRAMES}


def test_funding_is_published_at_each_boundary_with_the_ticks_of_its_time() -> None:
    paid = [(m.at - MARKET.starts, e.symbol) for m in whole_run() for e in m.events if isinstance(e, FundingUpdate)]
    assert paid == [(timedelta(hours=h), symbol) for h in (0, 8, 16) for symbol in MARKET.symbols]


def test_ticks_know_the_next_funding_and_none_of_later_rates() -> None:
    for moment in whole_run():
        for tick in moment.ticks:
            assert tick.next_funding_time is not None and tick.ts is not None
            assert timedelta(0) < tick.next_funding_time - tick.ts <= timedelta(hours=8)


def stopped_after(count: int, ticks_of_last: int) -> tuple[Progress, list[str]]:
    """Progress of a run that was killed after `count` moments and some ticks of the next one, and what it published."""
    whole = [
        *whole_run()[:count],
        Moment(whole_run()[count].at, whole_run()[count].events, whole_run()[count].ticks[:ticks_of_last]),
    ]
    ticks: dict[str, datetime] = {}
    reached = whole_run()[max(0, count - 4)].at - STEP  # what was noted is up to a second of wall time old
    candles = {key: set(times) for key, times in history().items()}
    funding: dict[str, datetime] = {}
    for moment in whole:
        ticks |= {tick.tick_id or "": moment.at for tick in moment.ticks if moment.at > reached}
        for event in moment.events:
            if isinstance(event, Candle):
                candles.setdefault((event.symbol, event.timeframe), set()).add(event.open_time)
            else:
                funding[event.symbol] = event.funding_time
    return resumed(MARKET, reached, ticks, candles, funding), keys(whole)


@examples(10, 250)
@given(st.integers(min_value=0, max_value=HOURS * 240), st.integers(min_value=0, max_value=2))
def test_a_run_that_goes_on_publishes_the_rest_and_nothing_twice(count: int, ticks_of_last: int) -> None:
    done, before = stopped_after(count, ticks_of_last)
    again = [f"Candle:{candle.message_id()}" for candle in backlog(MARKET, done)]
    rest = keys(hours(moments(MARKET, done), END))
    assert sorted(before + again + rest) == sorted({*before, *first_hours()})


def test_a_gap_of_candles_is_filled_where_the_run_goes_on() -> None:
    lost = {MARKET.starts - timedelta(minutes=m) for m in (40, 3, 1)}  # and those between are there
    done = resumed(MARKET, MARKET.starts, {}, history() | {("BBB", "1m"): history()["BBB", "1m"] - lost}, {})
    missing = [(candle.symbol, candle.open_time) for candle in backlog(MARKET, done)]
    assert missing == [("BBB", at) for at in sorted(lost)]


def test_ticks_that_a_killed_server_lost_are_published_late_and_those_after_them_not_again() -> None:
    reached = MARKET.starts + timedelta(minutes=7)
    stored = {f"replay:AAA:{_ms(reached)}:{n}": reached + n * STEP for n in (1, 3)}
    done = resumed(MARKET, reached, stored, history(), {})
    assert (done.through, done.position) == (reached, reached + 3 * STEP)
    found = {moment.at: [tick.symbol for tick in moment.ticks] for moment in islice(moments(MARKET, done), 4)}
    assert found == {
        reached + STEP: ["BBB"],
        reached + 2 * STEP: ["AAA", "BBB"],
        reached + 3 * STEP: ["BBB"],
        reached + 4 * STEP: ["AAA", "BBB"],
    }


def _ms(at: datetime) -> int:
    return int(at.timestamp()) * 1_000


def test_a_run_at_the_end_has_nothing_left() -> None:
    stored: dict[tuple[str, str], set[datetime]] = {}
    for candle in backlog(MARKET, resumed(MARKET, MARKET.ends, {}, {}, {})):
        stored.setdefault((candle.symbol, candle.timeframe), set()).add(candle.open_time)
    done = resumed(MARKET, MARKET.ends, {}, stored, {})
    assert list(backlog(MARKET, done)) == []
    assert list(moments(MARKET, done)) == []


@pytest.mark.parametrize("start_day", [1, 2], ids=["no history", "a day of history"])
def test_nothing_before_the_data_is_made_up(start_day: int) -> None:
    market = small_market(days=2, start_day=start_day)
    found = list(backlog(market, resumed(market, None, {}, {}, {})))
    assert bool(found) == (start_day == 2)
    assert all(candle.open_time >= MIDNIGHT for candle in found)
