"""One suite over every live venue: ccxt itself against the local fake of the exchange."""

import asyncio
import decimal
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from libs.schemas.reasons import OrderReason
from services.executor.domain.replies import (
    FillReport,
    Gap,
    NotSent,
    OrderReport,
    Placed,
    Rejected,
    Unknown,
    VenueEvent,
)
from tests.contract.benches import OPENERS, SECRET, Bench
from tests.contract.orders import client_id, order
from tests.fakes.exchange.server import Fault

SYMBOL = "BTCUSDT"


@pytest.fixture(params=list(OPENERS))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    opener, kind = OPENERS[request.param]
    async with opener(kind) as made:
        yield made


async def settled(bench: Bench, unknown: Unknown) -> OrderReport | Rejected | None:
    """What became of an unknown order; None while nothing is certain."""
    report = await bench.venue.fetch_order(SYMBOL, unknown.client_order_id)
    if report is not None:
        return report
    late = bench.clock.wall() >= unknown.settled_at
    return Rejected(unknown.client_order_id, OrderReason.VENUE_ERROR) if late else None


async def held(bench: Bench, n: int = 1, quantity: str = "0.1") -> None:
    reply = await bench.venue.submit(order(n, quantity=quantity))
    assert isinstance(reply, Placed), reply


async def test_leverage_and_margin_mode_are_set_and_read_back_before_the_first_order_only(bench: Bench) -> None:
    await held(bench, 1)
    await held(bench, 2)
    names = [asked.name for asked in bench.exchange.asked if asked.method == "POST"]
    assert names == ["marginType", "leverage", "order", "order"]


async def test_a_venue_that_keeps_another_leverage_gets_no_order(bench: Bench) -> None:
    bench.exchange.fault("leverage", Fault(200, '{"leverage": 10, "symbol": "BTCUSDT"}'))
    reply = await bench.venue.submit(order(1))
    assert isinstance(reply, Rejected)
    assert "20x" in reply.detail
    assert bench.exchange.requests("order") == []


async def test_an_order_leaves_the_arithmetic_of_this_process_as_it_was(bench: Bench) -> None:
    """ccxt rounds halves up where it rounds, and would leave it so for all money that is reckoned afterwards."""
    with decimal.localcontext() as context:
        before = context.rounding, dict(context.traps)
        await held(bench)
        assert (context.rounding, dict(context.traps)) == before


async def test_ids_are_32_hex_and_reach_the_venue_unchanged(bench: Bench) -> None:
    await held(bench)
    (asked,) = bench.exchange.requests("order", "POST")
    assert asked.query["newClientOrderId"] == client_id(1)
    assert len(client_id(1)) == 32


async def test_a_time_out_after_acceptance_is_unknown_and_the_order_is_found(bench: Bench) -> None:
    await bench.venue.set_leverage(SYMBOL, Decimal(10))
    bench.exchange.fault("order", Fault(200, "{}", accepted=True, delay_s=0.6))
    reply = await bench.venue.submit(order(1))
    assert isinstance(reply, Unknown)
    found = await settled(bench, reply)
    assert isinstance(found, OrderReport)
    assert found.state == "filled"
    assert len(bench.exchange.requests("order", "POST")) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(503, "Service Unavailable"), id="503"),
        pytest.param(Fault(503, '{"code": -1001, "msg": "Internal error; unable to process"}'), id="503 with a code"),
        pytest.param(Fault(408, '{"code": -1007, "msg": "Timeout waiting for response"}'), id="408"),
        pytest.param(Fault(400, '{"code": -1006, "msg": "Execution status unknown."}'), id="execution status unknown"),
        pytest.param(Fault(drop=True), id="dropped connection"),
    ],
)
@pytest.mark.parametrize("accepted", [True, False])
async def test_silence_is_unknown_whether_or_not_the_order_was_taken(
    bench: Bench, fault: Fault, accepted: bool
) -> None:
    fault = Fault(fault.status, fault.body, fault.headers, accepted, fault.drop)
    bench.exchange.fault("order", fault)
    reply = await bench.venue.submit(order(1))
    assert isinstance(reply, Unknown), reply
    found = await settled(bench, reply)
    assert isinstance(found, OrderReport) if accepted else found is None, "not found is not final yet"
    bench.later((reply.settled_at - datetime.now(UTC)).total_seconds() + 0.1)
    assert isinstance(await settled(bench, reply), OrderReport if accepted else Rejected)


@pytest.mark.parametrize("body", ["[]", "{}", "<html>", '{"orderId": null}'])
async def test_an_answer_that_is_not_understood_is_no_rejection(bench: Bench, body: str) -> None:
    bench.exchange.fault("POST order", Fault(200, body, accepted=True))
    reply = await bench.venue.submit(order(1))
    assert isinstance(reply, Unknown | Placed), reply
    assert len(await bench.venue.positions()) == 1


async def test_429_is_not_sent_and_says_how_long_to_wait(bench: Bench) -> None:
    body = '{"code": -1003, "msg": "Too many requests."}'
    bench.exchange.fault("order", Fault(429, body, {"Retry-After": "0.2"}))
    reply = await bench.venue.submit(order(1))
    assert isinstance(reply, NotSent)
    assert reply.retry_after_s == pytest.approx(0.2)
    before = bench.clock.monotonic()
    assert isinstance(await bench.venue.submit(order(1)), Placed)
    assert bench.clock.monotonic() - before > 0.1, "the pace held the next request back"


async def test_418_stops_every_request_until_the_ban_ends(bench: Bench) -> None:
    bench.exchange.fault("order", Fault(418, '{"code": -1003, "msg": "Way too many requests; IP banned until 1"}'))
    reply = await bench.venue.submit(order(1))
    assert isinstance(reply, NotSent)
    assert reply.retry_after_s is None
    asked = len(bench.exchange.asked)
    assert isinstance(await bench.venue.submit(order(1)), NotSent)
    assert len(bench.exchange.asked) == asked, "nothing went out"


async def test_an_id_of_a_closed_order_is_taken_again_so_nothing_may_rely_on_it(bench: Bench) -> None:
    await held(bench)
    assert isinstance(await bench.venue.submit(order(1)), Placed)
    (position,) = await bench.venue.positions()
    assert position.quantity == Decimal("0.2"), "the venue does not protect from sending twice"


@pytest.mark.parametrize("name", list(OPENERS))
@pytest.mark.parametrize("skew_s", [-30, 30])
async def test_a_clock_that_is_wrong_is_measured_and_allowed_for(name: str, skew_s: int) -> None:
    opener, kind = OPENERS[name]
    async with opener(kind, skew_ms=skew_s * 1_000) as bench:
        assert isinstance(await bench.venue.submit(order(1)), Placed)
        assert len(await bench.venue.positions()) == 1


async def test_an_order_of_a_process_that_slept_is_refused_by_the_venue(bench: Bench) -> None:
    await bench.venue.set_margin_mode(SYMBOL, "isolated")
    late = datetime.now(UTC) - timedelta(seconds=10)
    reply = await bench.venue.submit(order(1), checked_at=late)
    assert isinstance(reply, NotSent), reply
    assert await bench.venue.positions() == []


async def test_the_builders_fee_is_never_approved_nor_paid(bench: Bench) -> None:
    await held(bench)
    assert bench.exchange.requests("builder") == bench.exchange.requests("approveBuilder") == []
    assert all(o["builder"] is None for o in bench.exchange.book.orders)


async def test_the_dead_man_switch_is_armed_only_without_a_position(bench: Bench) -> None:
    assert await bench.venue.arm(SYMBOL) is True
    await held(bench)
    assert await bench.venue.arm(SYMBOL) is False
    assert [a.query["countdownTime"] for a in bench.exchange.requests("countdownCancelAll")] == ["60000", "0"]


async def test_filters_tiers_fees_funding_and_money_are_read(bench: Bench) -> None:
    found = await bench.venue.filters(SYMBOL)
    assert found is not None
    assert (found.tick_size, found.lot_size, found.min_notional) == (Decimal("0.1"), Decimal("0.001"), Decimal(5))
    assert [(t.floor, t.mmr) for t in found.tiers] == [
        (Decimal(0), Decimal("0.004")),
        (Decimal(50_000), Decimal("0.005")),
    ]
    assert (found.maker_fee_bps, found.taker_fee_bps) == (Decimal(2), Decimal(5))
    funding = await bench.venue.funding(SYMBOL)
    assert funding is not None
    assert funding.rate == Decimal("0.0001")
    assert funding.next_time > datetime.now(UTC)
    assert (await bench.venue.balances()).wallet == 10_000
    assert abs(await bench.venue.server_time() - datetime.now(UTC)) < timedelta(seconds=5)
    assert await bench.venue.filters("NONEUSDT") is None


class Listener:
    """What the stream told; `until` waits for more of it."""

    def __init__(self, bench: Bench) -> None:
        self.told: list[VenueEvent] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._listen(bench.venue.stream()))

    async def _listen(self, stream: AsyncIterator[VenueEvent]) -> None:
        async for event in stream:
            self.told.append(event)
            self._changed.set()

    @property
    def fills(self) -> list[FillReport]:
        return [event for event in self.told if isinstance(event, FillReport)]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def test_the_stream_tells_each_fill_once(bench: Bench) -> None:
    listener = Listener(bench)
    await bench.exchange.connected.wait()
    await held(bench, 1)
    await bench.exchange.repeat()
    await held(bench, 2)
    await listener.until(lambda: len(listener.fills) >= 2)
    await listener.close()
    assert [f.client_order_id for f in listener.fills] == [client_id(1), client_id(2)]
    first = listener.fills[0].fill
    assert (first.price, first.quantity, first.fee) == (Decimal(60_000), Decimal("0.1"), Decimal("3.00000"))


async def test_a_fill_while_the_stream_is_away_is_asked_for_and_the_gap_is_named(bench: Bench) -> None:
    listener = Listener(bench)
    await bench.exchange.connected.wait()
    await held(bench, 1)
    await listener.until(lambda: len(listener.fills) == 1)
    bench.exchange.fault("listenKey", *(Fault(503, "sorry"),) * 3)
    bench.exchange.deaf = True
    await held(bench, 2)
    await bench.exchange.hang_up()
    await listener.until(lambda: len(listener.fills) == 2)
    await listener.close()
    assert any(isinstance(event, Gap) for event in listener.told)
    assert listener.fills[1].client_order_id == client_id(2)


async def test_no_secret_is_in_any_reply(bench: Bench) -> None:
    for fault in (Fault(400, f'{{"code": -2015, "msg": "Invalid key {SECRET}"}}'), Fault(503, f"sorry, {SECRET}")):
        bench.exchange.fault("order", fault)
        said = repr(await bench.venue.submit(order(1)))
        assert SECRET not in said
        assert SECRET.removeprefix("0x") not in said
        assert "signature" not in said
