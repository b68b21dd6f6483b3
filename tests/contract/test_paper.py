"""The venue contract over the paper venue: the same promises as `test_venue.py` asks of the live ones."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from libs.runtime.errors import Unavailable
from libs.schemas.reasons import OrderReason
from services.executor.domain.replies import Balances, Canceled, Exists, FillReport, OrderReport, Placed, Rejected
from services.executor.ports import Venue
from tests.contract.paper import SYMBOL, PaperBench, client_id, order, paper_bench


@pytest.fixture
async def bench() -> AsyncIterator[PaperBench]:
    async with paper_bench() as made:
        yield made


async def held(bench: PaperBench, n: int = 1, quantity: str = "0.1") -> None:
    reply = await bench.venue.submit(order(n, quantity=quantity))
    assert isinstance(reply, Placed), reply


def test_it_is_a_venue(bench: PaperBench) -> None:
    venue: Venue = bench.venue
    assert venue is bench.venue


async def test_a_market_order_fills_and_opens_a_position(bench: PaperBench) -> None:
    reply = await bench.venue.submit(order(1))
    assert isinstance(reply, Placed)
    assert (reply.state, reply.filled, reply.average) == ("filled", Decimal("0.1"), Decimal(60_000))
    report = await bench.venue.fetch_order(SYMBOL, client_id(1))
    assert report is not None
    assert (report.state, report.filled, report.average) == ("filled", Decimal("0.1"), Decimal(60_000))
    (position,) = await bench.venue.positions()
    assert (position.side, position.quantity, position.entry_price) == ("long", Decimal("0.1"), Decimal(60_000))
    assert (position.leverage, position.margin_mode) == (Decimal(10), "isolated")


async def test_a_resting_order_is_listed_and_cancelled(bench: PaperBench) -> None:
    await bench.venue.submit(order(1, kind="limit", price="50000"))
    (listed,) = await bench.venue.open_orders()
    assert (listed.client_order_id, listed.type, listed.price) == (client_id(1), "limit", Decimal(50_000))
    assert await bench.venue.cancel(SYMBOL, client_id(1)) == Canceled(client_id(1))
    assert await bench.venue.cancel(SYMBOL, client_id(1)) == Canceled(client_id(1), found=False)
    assert list(await bench.venue.open_orders(SYMBOL)) == []
    gone = await bench.venue.fetch_order(SYMBOL, client_id(1))
    assert gone is not None
    assert gone.state == "canceled"


async def test_a_stop_and_a_target_rest_apart_and_are_found_and_cancelled(bench: PaperBench) -> None:
    await held(bench)
    stop = order(2, "sell", "stop_market", leg="stop", stop="58000")
    target = order(3, "sell", "take_profit_market", leg="target", stop="63000")
    replies = [await bench.venue.submit(one) for one in (stop, target)]
    assert all(isinstance(reply, Placed) for reply in replies), replies
    found = await bench.venue.fetch_order(SYMBOL, client_id(2))
    assert found is not None
    assert (found.type, found.stop_price, found.reduce_only) == ("stop_market", Decimal(58_000), True)
    assert {o.client_order_id for o in await bench.venue.open_orders()} == {client_id(2), client_id(3)}
    assert len(await bench.venue.cancel_all(SYMBOL)) == 2
    assert list(await bench.venue.open_orders()) == []


async def test_a_stop_that_triggers_closes_the_position(bench: PaperBench) -> None:
    await held(bench)
    await bench.venue.submit(order(2, "sell", "stop_market", leg="stop", stop="58000"))
    await bench.move(SYMBOL, Decimal(57_900))
    report = await bench.venue.fetch_order(SYMBOL, client_id(2))
    assert report is not None
    assert report.state == "filled"
    assert list(await bench.venue.positions()) == []


async def test_a_post_only_order_that_would_match_is_rejected(bench: PaperBench) -> None:
    reply = await bench.venue.submit(order(1, kind="limit", price="60100", tif="post_only"))
    assert isinstance(reply, Rejected)
    assert reply.reason is OrderReason.WOULD_MATCH


async def test_a_reduce_only_order_without_a_position_is_rejected(bench: PaperBench) -> None:
    reply = await bench.venue.submit(order(1, "sell", leg="exit"))
    assert isinstance(reply, Rejected)
    assert reply.reason is OrderReason.POSITION_CLOSED


async def test_a_partial_fill_is_told_as_one(bench: PaperBench) -> None:
    await bench.venue.submit(order(1, kind="limit", price="59000"))
    await bench.move(SYMBOL, Decimal(58_990), size=0.04)
    report = await bench.venue.fetch_order(SYMBOL, client_id(1))
    assert report is not None
    assert (report.state, report.filled) == ("partially_filled", Decimal("0.04"))
    (position,) = await bench.venue.positions()
    assert position.quantity == Decimal("0.04")


async def test_a_rejected_stop_leaves_nothing_behind(bench: PaperBench) -> None:
    await held(bench)
    bench.refuse_stops()
    reply = await bench.venue.submit(order(2, "sell", "stop_market", leg="stop", stop="58000"))
    assert isinstance(reply, Rejected)
    assert list(await bench.venue.open_orders()) == []


async def test_a_vanished_position_is_gone_and_its_fill_is_told(bench: PaperBench) -> None:
    await held(bench)
    await bench.vanish(SYMBOL)
    assert list(await bench.venue.positions()) == []


async def test_a_duplicate_id_exists_whatever_became_of_the_order(bench: PaperBench) -> None:
    await bench.venue.submit(order(1, kind="limit", price="50000"))
    assert await bench.venue.submit(order(1, kind="limit", price="50000")) == Exists(client_id(1))
    await held(bench, 2)
    assert await bench.venue.submit(order(2)) == Exists(client_id(2))
    (position,) = await bench.venue.positions()
    assert position.quantity == Decimal("0.1")


async def test_orders_of_one_plan_may_come_together_or_one_by_one(bench: PaperBench) -> None:
    both = [order(1), order(2, kind="limit", price="50000")]
    assert all(isinstance(reply, Placed) for reply in await bench.venue.submit_all(both))
    again = await bench.venue.submit_all(both)
    assert [type(reply) for reply in again] == [Exists, Exists]


async def test_a_store_that_is_away_takes_nothing_and_the_order_can_be_sent_again(bench: PaperBench) -> None:
    bench.ports.accounts.away = Unavailable("MongoDB is away")
    with pytest.raises(Unavailable):
        await bench.venue.submit(order(1))
    bench.ports.accounts.away = None
    await bench.desk.tend()
    assert list(await bench.venue.positions()) == []
    assert isinstance(await bench.venue.submit(order(1)), Placed)


async def test_filters_tiers_fees_and_money_are_read(bench: PaperBench) -> None:
    found = await bench.venue.filters(SYMBOL)
    assert found is not None
    assert (found.tick_size, found.lot_size) == (Decimal("0.1"), Decimal("0.001"))
    assert [tier.floor for tier in await bench.venue.tiers(SYMBOL)] == [0, 300_000]
    fees = await bench.venue.fees(SYMBOL)
    assert (fees.maker_bps, fees.taker_bps) == (Decimal(2), Decimal(5))
    assert await bench.venue.balances() == Balances(Decimal(10_000), Decimal(10_000))
    assert await bench.venue.set_leverage(SYMBOL, Decimal(7)) == 7
    assert await bench.venue.set_margin_mode(SYMBOL, "isolated") == "isolated"
    assert await bench.venue.server_time() == bench.ports.clock.now()
    assert await bench.venue.filters("NONEUSDT") is None
    assert await bench.venue.tiers("NONEUSDT") == ()


async def test_the_stream_tells_each_fill_once_and_ends_with_the_money(bench: PaperBench) -> None:
    told: list[object] = []
    filled = asyncio.Event()

    async def listen() -> None:
        async for event in bench.venue.stream():
            told.append(event)
            if isinstance(event, Balances):
                filled.set()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await held(bench)
    async with asyncio.timeout(5):
        await filled.wait()
    listening.cancel()
    await asyncio.wait([listening])
    (fill,) = [event for event in told if isinstance(event, FillReport)]
    assert (fill.client_order_id, fill.fill.price, fill.fill.fee) == (client_id(1), Decimal(60_000), Decimal(3))
    assert [event.state for event in told if isinstance(event, OrderReport)] == ["open", "filled"]
    assert told[-1] == await bench.venue.balances()
