"""What the paper venue promises beyond the contract: nothing is unknown, and orders of a plan are one write."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from libs.runtime.ending import end
from libs.runtime.errors import Unavailable
from services.executor.domain.replies import Balances, Exists, FillReport, OrderReport, Placed
from services.executor.ports.venues import Venue
from tests.contract.orders import SYMBOL, client_id, order
from tests.contract.paper import PaperBench, paper_bench


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
    async with asyncio.timeout(60):
        await filled.wait()
    await end([listening])
    (fill,) = [event for event in told if isinstance(event, FillReport)]
    assert (fill.client_order_id, fill.fill.price, fill.fill.fee) == (client_id(1), Decimal(60_000), Decimal(3))
    assert [event.state for event in told if isinstance(event, OrderReport)] == ["open", "filled"]
    assert told[-1] == await bench.venue.balances()
