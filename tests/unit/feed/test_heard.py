"""What is repeated does not become new: live streams that die, each figure's time, and funding's units."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from libs.runtime.ending import end
from libs.schemas.market import FundingUpdate, MarketTick
from services.feed.adapters.ccxt import CcxtMarket
from services.feed.domain.live import ExchangeQuote, paid, paid_before, quiet_tick, trade_tick, with_mark, with_ticker
from services.feed.ports import StreamSilent
from tests.fakes.clock import FakeClock
from tests.fakes.live_exchange import ExchangeError, LiveExchange
from tests.unit.feed.test_live import NAME, NOW, ms

Fold = Callable[[ExchangeQuote], ExchangeQuote]


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def ticker(at: float, **row: Any) -> Fold:
    return lambda quote: with_ticker(quote, row, after(at))


def mark(at: float, price: float = 100.0, **info: Any) -> Fold:
    return lambda quote: with_mark(quote, {"markPrice": price, "info": info}, after(at))


def known(*told: Fold) -> ExchangeQuote:
    quote = ExchangeQuote("BTCUSDT")
    for fold in told:
        quote = fold(quote)
    return quote


@pytest.mark.parametrize(
    ("told", "ts", "older"),
    [
        pytest.param([ticker(3, last=100.0, bid=99.0, ask=101.0)], 3, {}, id="M9: one stream answered once"),
        pytest.param([ticker(3, last=100.0), mark(20)], 20, {"price_at": 3}, id="the mark goes on"),
        pytest.param([mark(2), ticker(9, last=100.0)], 9, {"mark_at": 2}, id="the ticker goes on"),
        pytest.param([ticker(30, last=100.0), ticker(4, last=90.0)], 30, {}, id="an old row is no news"),
        pytest.param([ticker(5, last=100.0), ticker(8, bid=99.0)], 8, {"price_at": 5}, id="only the book is new"),
        pytest.param([ticker(50, last=100.0, timestamp=ms(after(7)))], 7, {}, id="a row that says its own time"),
        pytest.param([ticker(5, last=100.0, timestamp=ms(after(90)))], 5, {}, id="a row from the future"),
        pytest.param([ticker(1, last=100.0), mark(9, r="0.0001")], 9, {"price_at": 1}, id="ccxt#27532: funding alone"),
    ],
)
def test_a_tick_is_as_old_as_the_newest_that_was_heard(told: list[Fold], ts: float, older: dict[str, float]) -> None:
    tick = quiet_tick(known(*told), after(600), "aster")
    assert tick is not None
    assert tick.ts == after(ts)
    times = tick.model_dump(include={"price_at", "book_at", "mark_at", "funding_at", "day_at"}, exclude_none=True)
    assert times == {name: after(at) for name, at in older.items()}


@pytest.mark.parametrize(
    ("told", "at", "left_out"),
    [
        pytest.param([mark(0)], 61, {"mark_price"}, id="a mark of a minute ago"),
        pytest.param([mark(0)], 60, set(), id="a mark that is just young enough"),
        pytest.param([ticker(0, bid=99.0, ask=101.0)], 75, {"bid", "ask"}, id="a book of a minute ago"),
        pytest.param([mark(0, r="0.0001", T=ms(after(3_600)))], 901, {"mark_price", "funding_rate"}, id="funding"),
        pytest.param([ticker(0, quoteVolume=9.0)], 901, {"volume_24h_quote"}, id="the 24 hours"),
    ],
)
def test_a_trade_does_not_bring_figures_of_a_dead_stream_back(told: list[Fold], at: float, left_out: set[str]) -> None:
    quote = known(*told)
    row = {"id": "1", "price": 100.0, "amount": 1.0, "timestamp": ms(after(0))}
    first, later = trade_tick(quote, row, "aster"), trade_tick(quote, row | {"timestamp": ms(after(at))}, "aster")
    assert first is not None
    assert later is not None
    said, kept = (set(tick.model_dump(exclude_none=True)) for tick in (first, later))
    assert {name for name in said - kept if name != "next_funding_time"} == left_out


def live(exchange: LiveExchange, silence_s: float = 60) -> tuple[CcxtMarket, FakeClock]:
    clock = FakeClock(NOW)
    return CcxtMarket("aster", ("BTCUSDT",), clock, 15, lambda venue: (exchange, ExchangeError), silence_s), clock


async def test_what_was_told_is_not_told_again_however_long_nothing_comes() -> None:
    exchange = LiveExchange(server_ms=ms(NOW))
    exchange.queues["marks"].put_nowait({NAME: {"markPrice": 100.0, "info": {"r": "0.0001", "T": ms(after(60))}}})
    exchange.queues["marks"].put_nowait({NAME: {"markPrice": 100.0, "info": {"r": "0.0001", "T": ms(after(9_000))}}})
    market, clock = live(exchange)
    await market.open()
    clock.advance(10)
    exchange.queues["tickers"].put_nowait({NAME: {"last": 100.0}})
    events = market.events()
    assert isinstance(await anext(events), FundingUpdate)
    told: list[MarketTick] = []
    for _ in range(12):
        clock.advance(15)
        told += market.quiet_ticks()
    await events.aclose()  # type: ignore[attr-defined]
    assert [tick.ts for tick in told] == [after(10)]


@pytest.mark.parametrize("dead", ["marks", "trades", "tickers"])
async def test_a_stream_that_dies_without_a_word_is_told(dead: str) -> None:
    exchange = LiveExchange(server_ms=ms(NOW))
    market, _ = live(exchange, silence_s=0.2)
    patience = 0.2 if dead == "marks" else 1  # long enough that a machine that stands still is no silence of the others

    async def talk() -> None:
        while True:
            for name in {"marks", "trades", "tickers"} - {dead}:
                exchange.queues[name].put_nowait([] if name == "trades" else {NAME: {"markPrice": 100.0}})
            await asyncio.sleep(0.001)

    await market.open()
    talking = asyncio.create_task(talk())
    try:
        with pytest.raises(StreamSilent, match=f"watch_{dead[:4]}.* of aster said nothing for {patience} s"):
            async for _ in market.events():
                pass
    finally:
        await end([talking])


@pytest.mark.parametrize(
    ("boundaries", "rate", "hours"),
    [
        pytest.param([0, 1], 0.0006, 1, id="M10: the boundary moves by an hour"),
        pytest.param([0, 8, 12], 0.0001, 4, id="nautilus#3676: 8 becomes 4"),
        pytest.param([0, 8, 10, 11], 0.0003, 1, id="8 becomes 2 becomes 1"),
        pytest.param([0, 1, 9], -0.0002, 8, id="1 becomes 8 again"),
        pytest.param([0, 0, 8], 0.0001, 8, id="a boundary that is told twice"),
        pytest.param([0, 2], 0.0005, 2, id="every two hours"),
    ],
)
def test_the_interval_of_a_rate_follows_the_boundaries(boundaries: list[int], rate: float, hours: float) -> None:
    quote = known(ticker(0, last=100.0))
    updates = []
    for n, at in enumerate(boundaries):
        before, quote = quote, mark(n, r=str(rate), T=ms(after(at * 3_600)))(quote)
        updates.append(paid(before, quote))
    tick = quiet_tick(quote, NOW, "aster")
    assert tick is not None
    assert (tick.funding_rate, tick.funding_interval_hours) == (rate, hours)
    told = [update for update in updates if update is not None]
    lengths = [b - a for a, b in pairwise(boundaries) if b > a]
    assert [update.interval_hours for update in told] == [*lengths[:1], *lengths[:-1]]
    assert [update.due_next for update in told] == [after(at * 3_600) for at in boundaries if at]


def test_what_was_paid_while_nobody_followed_is_read_with_its_intervals() -> None:
    rows = [{"timestamp": ms(NOW.replace(minute=0, second=0)) + 3_600_000 * n + 7, "fundingRate": n} for n in (9, 1, 8)]
    updates = paid_before("BTCUSDT", [row | {"fundingRate": 0.0001} for row in rows] + [{"timestamp": None}])
    assert [update.interval_hours for update in updates] == [7, 7, 1]
    assert updates[1].due_next == updates[2].funding_time
    assert updates[0].funding_time.minute == updates[0].funding_time.second == 0
