"""One suite over every venue: what the desk may rely on wherever an account trades."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from libs.runtime.ending import end
from libs.schemas.reasons import OrderReason
from services.executor.domain.replies import Canceled, Exists, FillReport, OrderReport, Placed, Rejected, VenueEvent
from services.executor.ports.venues import Venue
from tests.contract.benches import EVERY, AnyBench, any_bench
from tests.contract.orders import SYMBOL, client_id, order


@pytest.fixture(params=EVERY)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[AnyBench]:
    async with any_bench(request.param) as made:
        yield made


async def held(bench: AnyBench, n: int = 1) -> None:
    reply = await bench.venue.submit(order(n))
    assert isinstance(reply, Placed), reply


def test_it_is_a_venue(bench: AnyBench) -> None:
    venue: Venue = bench.venue
    assert venue is bench.venue


async def test_a_market_order_fills_and_opens_a_position(bench: AnyBench) -> None:
    reply = await bench.venue.submit(order(1))
    assert isinstance(reply, Placed)
    report = await bench.venue.fetch_order(SYMBOL, client_id(1))
    assert report is not None
    assert (report.state, report.filled, report.average) == ("filled", Decimal("0.1"), Decimal(60_000))
    (position,) = await bench.venue.positions()
    assert (position.side, position.quantity, position.entry_price) == ("long", Decimal("0.1"), Decimal(60_000))
    assert (position.leverage, position.margin_mode) == (Decimal(10), "isolated")


async def test_a_resting_order_is_listed_and_cancelled(bench: AnyBench) -> None:
    await bench.venue.submit(order(1, kind="limit", price="50000"))
    (listed,) = await bench.venue.open_orders()
    assert (listed.client_order_id, listed.type, listed.price) == (client_id(1), "limit", Decimal(50_000))
    assert await bench.venue.cancel(SYMBOL, client_id(1)) == Canceled(client_id(1))
    assert await bench.venue.cancel(SYMBOL, client_id(1)) == Canceled(client_id(1), found=False)
    assert list(await bench.venue.open_orders(SYMBOL)) == []
    gone = await bench.venue.fetch_order(SYMBOL, client_id(1))
    assert gone is not None
    assert gone.state == "canceled"


async def test_a_stop_and_a_target_rest_apart_and_are_found_and_cancelled(bench: AnyBench) -> None:
    await held(bench)
    stop = order(2, "sell", "stop_market", leg="stop", stop="58000")
    target = order(3, "sell", "take_profit_market", leg="target", stop="63000")
    replies = [await bench.venue.submit(one) for one in (stop, target)]
    assert all(isinstance(reply, Placed) for reply in replies), replies
    found = await bench.venue.fetch_order(SYMBOL, client_id(2))
    assert found is not None
    assert (found.type, found.stop_price, found.reduce_only) == ("stop_market", Decimal(58_000), True)
    assert {o.client_order_id for o in await bench.venue.open_orders()} == {client_id(2), client_id(3)}
    gone = [await bench.venue.cancel(SYMBOL, client_id(n)) for n in (2, 3)]
    assert gone == [Canceled(client_id(2)), Canceled(client_id(3))]
    assert list(await bench.venue.open_orders()) == []


async def test_a_stop_that_triggers_closes_the_position(bench: AnyBench) -> None:
    await held(bench)
    await bench.venue.submit(order(2, "sell", "stop_market", leg="stop", stop="58000"))
    await bench.move(SYMBOL, Decimal(57_900))
    report = await bench.venue.fetch_order(SYMBOL, client_id(2))
    assert report is not None
    assert report.state == "filled"
    assert list(await bench.venue.positions()) == []


async def test_a_post_only_order_that_would_match_is_rejected(bench: AnyBench) -> None:
    reply = await bench.venue.submit(order(1, kind="limit", price="60100", tif="post_only"))
    assert isinstance(reply, Rejected)
    assert reply.reason is OrderReason.WOULD_MATCH


async def test_a_reduce_only_order_without_a_position_is_rejected(bench: AnyBench) -> None:
    reply = await bench.venue.submit(order(1, "sell", leg="exit"))
    assert isinstance(reply, Rejected)
    assert reply.reason is OrderReason.POSITION_CLOSED


async def test_a_partial_fill_is_told_as_one(bench: AnyBench) -> None:
    await bench.fill_partly(order(1, kind="limit", price="59000"))
    report = await bench.venue.fetch_order(SYMBOL, client_id(1))
    assert report is not None
    assert (report.state, report.filled) == ("partially_filled", Decimal("0.04"))
    (position,) = await bench.venue.positions()
    assert position.quantity == Decimal("0.04")


async def test_a_rejected_stop_leaves_nothing_behind(bench: AnyBench) -> None:
    await held(bench)
    bench.refuse_stops()
    reply = await bench.venue.submit(order(2, "sell", "stop_market", leg="stop", stop="58000"))
    assert isinstance(reply, Rejected)
    assert list(await bench.venue.open_orders()) == []


async def test_a_vanished_position_is_gone(bench: AnyBench) -> None:
    await held(bench)
    await bench.vanish(SYMBOL)
    assert list(await bench.venue.positions()) == []


async def test_a_duplicate_id_of_an_open_order_exists(bench: AnyBench) -> None:
    await bench.venue.submit(order(1, kind="limit", price="50000"))
    assert await bench.venue.submit(order(1, kind="limit", price="50000")) == Exists(client_id(1))
    assert len(await bench.venue.open_orders()) == 1


async def test_the_stream_tells_an_order_and_each_of_its_fills_once(bench: AnyBench) -> None:
    told: list[VenueEvent] = []
    news = asyncio.Event()

    async def listen() -> None:
        async for event in bench.venue.stream():
            told.append(event)
            news.set()

    listening = asyncio.create_task(listen())
    await bench.streaming()
    await held(bench)
    async with asyncio.timeout(60):
        while not any(isinstance(e, OrderReport) and e.state == "filled" for e in told) or not _fills(told):
            news.clear()
            await news.wait()
    await end([listening])
    (fill,) = _fills(told)
    assert (fill.client_order_id, fill.fill.price, fill.fill.fee) == (client_id(1), Decimal(60_000), Decimal(3))


def _fills(told: list[VenueEvent]) -> list[FillReport]:
    return [event for event in told if isinstance(event, FillReport)]
