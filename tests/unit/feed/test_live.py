from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.runtime.ending import end
from libs.schemas.market import Candle, FundingUpdate, MarketTick
from services.feed.adapters.ccxt import CcxtMarket
from services.feed.application import follow
from services.feed.domain.history import MissingCandles, closed_candles
from services.feed.domain.live import (
    ExchangeQuote,
    paid,
    quiet_tick,
    trade_tick,
    with_mark,
    with_ticker,
)
from services.feed.ports import CannotFollow, Deps, Interrupted
from tests.fakes.clock import FakeClock
from tests.fakes.feed_ports import FakeDesk, FakeLease
from tests.fakes.live_exchange import ExchangeError, LiveExchange

NOW = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
NAME = "BTC/USDT:USDT"


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1_000)


def bars(count: int, until: datetime = NOW) -> list[list[float]]:
    """`count` one-minute rows, the last one still forming at `until`."""
    last = until.replace(second=0)
    return [[ms(last - n * timedelta(minutes=1)), 100, 110, 90, 105, 7] for n in reversed(range(count))]


def test_the_last_row_is_forming_and_no_candle() -> None:
    made = closed_candles("BTCUSDT", "1m", bars(3), NOW)
    assert [c.close_time for c in made] == [NOW.replace(second=0) - timedelta(minutes=1), NOW.replace(second=0)]


def test_a_row_that_closed_while_nobody_traded_the_next_one_is_a_candle() -> None:
    made = closed_candles("BTCUSDT", "1m", bars(2), NOW + timedelta(minutes=1))
    assert len(made) == 2


@pytest.mark.parametrize(
    "row",
    [
        pytest.param([ms(NOW), 100, 110, 90, 105, 7], id="not on a boundary"),
        pytest.param([ms(NOW.replace(second=0, minute=1, hour=11)), 100, 110, 90, None, 7], id="no close"),
        pytest.param([None, 100, 110, 90, 105, 7], id="no time"),
    ],
)
def test_what_is_no_candle_is_left_out(row: list[Any]) -> None:
    assert closed_candles("BTCUSDT", "1m", [row], NOW + timedelta(hours=1)) == []


def test_a_trade_carries_what_else_is_known_and_the_exchanges_own_id() -> None:
    quote = with_ticker(ExchangeQuote("BTCUSDT"), {"last": 100.0, "bid": 99.0, "ask": 101.0, "quoteVolume": 5_000.0})
    quote = with_mark(quote, {"markPrice": 100.5, "info": {"r": "0.0001", "T": ms(NOW), "i": "100.4"}})
    tick = trade_tick(quote, {"id": "42", "price": 102.0, "amount": 0.5, "timestamp": ms(NOW)}, "aster")
    assert tick == MarketTick(
        **{"symbol": "BTCUSDT", "price": 102.0, "tick_id": "aster:BTCUSDT:42", "ts": NOW, "bid": 99.0, "ask": 101.0},
        **{"size": 0.5, "mark_price": 100.5, "index_price": 100.4, "funding_rate": 0.0001, "next_funding_time": NOW},
        **{"volume_24h_quote": 5_000.0, "source": "aster"},
    )


def test_a_book_that_is_crossed_is_left_out_of_the_tick() -> None:
    quote = with_ticker(ExchangeQuote("BTCUSDT"), {"last": 100.0, "bid": 101.0, "ask": 99.0})
    tick = quiet_tick(quote, NOW, "aster")
    assert tick is not None
    assert (tick.bid, tick.ask) == (None, None)


def test_funding_is_paid_when_the_next_boundary_moves_on() -> None:
    before = with_mark(ExchangeQuote("BTCUSDT"), {"markPrice": 100.0, "info": {"r": "0.0002", "T": ms(NOW)}})
    same = with_mark(before, {"markPrice": 101.0, "info": {"r": "0.0003", "T": ms(NOW)}})
    after = with_mark(same, {"markPrice": 102.0, "info": {"r": "0.0001", "T": ms(NOW + timedelta(hours=8))}})
    assert paid(before, same) is None
    update = paid(same, after)
    assert update is not None
    assert (update.funding_time, update.rate, update.mark_price) == (NOW, 0.0003, 102.0)


def test_a_candle_that_never_comes_is_not_asked_for_without_end() -> None:
    missing = MissingCandles({("BTCUSDT", "1m"): NOW.replace(second=0) - timedelta(minutes=1)})
    asked = [missing.since("BTCUSDT", "1m", NOW) for _ in range(20)]
    assert sum(at is not None for at in asked) == 8
    assert missing.since("BTCUSDT", "1m", NOW + timedelta(minutes=1)) is not None


class Meter:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.plays = False

    def published(self, kind: str, count: int) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + count

    def playing(self, plays: bool) -> None:
        self.plays = plays

    def late(self, seconds: float) -> None: ...
    def clock_reset(self) -> None: ...
    def holding(self, holds: bool) -> None: ...
    def ended(self, ended: bool) -> None: ...

    def fell_silent(self) -> None:
        self.published("silence", 1)


def market(exchange: LiveExchange, *symbols: str) -> tuple[CcxtMarket, FakeClock]:
    clock = FakeClock(NOW)
    return CcxtMarket("aster", symbols or ("BTCUSDT",), clock, 15, lambda venue: (exchange, ExchangeError)), clock


async def running(exchange: LiveExchange, until: Callable[[FakeDesk], bool]) -> FakeDesk:
    """Follow the exchange until the desk has what the test waits for."""
    import asyncio

    live, clock = market(exchange)
    desk, lease = FakeDesk(), FakeLease()
    await lease.acquire()
    deps = Deps(lambda: live, desk, lease, clock, Meter(), 1)
    task = asyncio.create_task(follow(deps, live))
    async with asyncio.timeout(60):
        await desk.until(lambda: until(desk) or task.done())
    await end([task])
    return desk


async def test_history_comes_first_page_by_page_and_the_market_runs_on_wall_time() -> None:
    exchange = LiveExchange(server_ms=ms(NOW))
    exchange.bars = bars(1_200)
    desk = await running(exchange, lambda d: len(d.events) >= 1_199)
    candles = [event for event in desk.events if isinstance(event, Candle)]
    assert len(candles) == 1_199
    assert len({c.open_time for c in candles}) == 1_199
    assert desk.clocks == [None]
    assert len([asked for asked in exchange.asked if asked[1] == "1m"]) == 3


async def test_trades_become_ticks_and_funding_is_stored() -> None:
    exchange = LiveExchange(server_ms=ms(NOW))
    for at in (NOW, NOW + timedelta(hours=8)):
        exchange.queues["marks"].put_nowait({NAME: {"markPrice": 100.0, "info": {"r": "0.0001", "T": ms(at)}}})
    exchange.queues["trades"].put_nowait(
        [{"id": "1", "symbol": NAME, "price": 100.0, "amount": 2.0, "timestamp": ms(NOW)}] * 2
    )
    desk = await running(exchange, lambda d: bool(d.ticks) and any(isinstance(e, FundingUpdate) for e in d.events))
    assert list(desk.ticks) == ["aster:BTCUSDT:1"]


async def test_after_a_break_the_candles_that_were_missed_are_asked_for() -> None:
    exchange = LiveExchange(server_ms=ms(NOW))
    exchange.queues["trades"].put_nowait(ExchangeError("hung up"))
    live, _ = market(exchange)
    await live.open()
    events = live.events()
    assert isinstance(await anext(events), Interrupted)
    await events.aclose()  # type: ignore[attr-defined]


async def test_a_symbol_that_the_exchange_does_not_list_is_named() -> None:
    live, _ = market(LiveExchange(server_ms=ms(NOW)), "BTCUSDT", "NOPEUSDT", "WEIRD")
    with pytest.raises(CannotFollow, match="aster has no linear perpetual NOPEUSDT, WEIRD; take it off ASSETS"):
        await live.open()


async def test_the_exchanges_clock_decides_what_has_closed() -> None:
    exchange = LiveExchange(server_ms=ms(NOW + timedelta(minutes=5)))
    live, _ = market(exchange)
    await live.open()
    assert live.now() == NOW + timedelta(minutes=5)
