"""The accounts that a copy holds: controls of all, accounts that stay closed, ticks and partitions that fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal as D

import pytest

from libs.runtime.errors import Poison
from libs.schemas import ids
from libs.schemas.account import ControlRequested
from services.executor.handlers import decode
from services.executor.handlers.board import Board
from services.executor.handlers.desk import Desk
from services.executor.handlers.desks import Desks
from services.executor.handlers.partitions import Partitions
from tests.fakes import executor_values as values
from tests.fakes.executor_ports import Ports

ACCOUNT = "paper-1"
PARTITION = ids.partition(ACCOUNT)


@dataclass
class World:
    ports: Ports
    board: Board
    desks: Desks

    @property
    def desk(self) -> Desk:
        found = self.desks.get(ACCOUNT)
        assert found is not None
        return found

    async def quiet(self) -> None:
        """Every task has ended or waits for time to pass."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def tick(self, price: float, sequence: int) -> None:
        at = values.NOW + timedelta(seconds=sequence)
        self.ports.clock.advance(1)
        self.board.on_tick(values.tick(price, at=at), sequence)
        await self.quiet()


def world() -> World:
    ports = Ports()
    ports.config.accounts[ACCOUNT] = values.account(ACCOUNT)
    board = Board(ports.clock)
    return World(ports, board, Desks(ports.deps(), board))


@asynccontextmanager
async def opened() -> AsyncIterator[World]:
    made = world()
    await made.desks.open(PARTITION, 1)
    await made.quiet()
    yield made
    await made.desks.close(PARTITION, patience=1)


def control(state: str, control_id: str, scope: str = "all") -> ControlRequested:
    return ControlRequested(
        control_id=control_id, scope=scope, state=state, reason="test", by="operator", requested_at=values.NOW
    )


async def test_a_control_of_all_accounts_is_put_where_every_copy_sees_it() -> None:
    async with opened() as made:
        await made.desks.control(control("halted", "c-1"))
        assert made.ports.controls.present == control("halted", "c-1")
        made.desks.control_all()
        await made.quiet()
        assert made.desk.book.trading_state == "halted"


async def test_a_control_of_all_accounts_is_done_once_however_long_it_stays_in_kv() -> None:
    async with opened() as made:
        made.ports.controls.present = control("halted", "c-1")
        made.desks.control_all()
        await made.quiet()
        await made.desks.control(control("active", "c-2", ACCOUNT))
        for n in range(80):  # more than an account remembers of what it has carried out
            await made.desks.control(control("active", f"later-{n}", ACCOUNT))
        await made.desks.close(PARTITION, patience=1)
        await made.desks.open(PARTITION, 2)
        assert made.desk.book.trading_state == "active"


@pytest.mark.parametrize("known", [True, False], ids=["an account that was away", "a new account"])
async def test_an_account_that_opens_later_carries_out_the_control_of_all(known: bool) -> None:
    made = world()
    if known:
        await made.desks.open(PARTITION, 1)
        await made.desks.close(PARTITION, patience=1)
    made.ports.controls.present = control("reducing", "c-1")
    await made.desks.open(PARTITION, 2)
    await made.quiet()
    assert made.desk.book.trading_state == "reducing"


async def test_a_message_for_an_account_that_stays_closed_is_put_aside_at_once() -> None:
    async with opened() as made:
        made.ports.config.accounts["live-1"] = values.account("live-1", mode="live")
        with pytest.raises(Poison, match=r"live-1 is closed: mode live .* set mode paper"):
            await made.desks.control(control("halted", "c-1", "live-1"))


@pytest.mark.parametrize("kind", ["control", "validated"])
def test_a_body_about_another_account_than_its_subject_is_refused(kind: str) -> None:
    body = control("halted", "c-1", ACCOUNT) if kind == "control" else values.validated(values.instruction())
    data = body.model_dump_json().encode()
    assert decode(f"execute.3.{kind}.{ACCOUNT}", data) == body
    with pytest.raises(Poison, match="the body is about paper-1, the subject about paper-2"):
        decode(f"execute.3.{kind}.paper-2", data)


async def test_a_tick_of_impossible_money_does_not_keep_a_stop_from_being_executed() -> None:
    async with opened() as made:
        await made.tick(50, 1)
        entry = values.instruction(quantity=D(200), notional=D(10_000), stop=D(49), target=D(52))
        await made.desks.execute(values.validated(entry, price=50), redelivered=False)
        await made.tick(
            9e14, 2
        )  # beyond the target: the units that are held are worth more there than any field of money holds
        assert values.SYMBOL in made.desk.book.positions
        await made.tick(48.9, 3)
        assert [trade.exit_price < 49 for trade in made.desk.book.closed_trades] == [True]


async def test_a_partition_that_cannot_be_opened_is_not_held() -> None:
    made = world()
    made.ports.leases.vacant = {PARTITION}
    made.ports.accounts.broken = ValueError("a document that nobody can read")
    started: list[int] = []

    class Consumer:
        async def start(self) -> None:
            started.append(PARTITION)

        async def stop(self) -> None: ...

    partitions = Partitions("me", made.ports.leases, made.desks, lambda p: Consumer(), lambda: True)
    running = asyncio.create_task(partitions.run())
    await made.quiet()
    assert (made.ports.leases.fence, started) == (1, [])
    made.ports.accounts.broken = None
    async with asyncio.timeout(5):
        while not partitions.held:  # noqa: ASYNC110 - the next beat takes it
            await asyncio.sleep(0.05)
    assert (made.ports.leases.fence, started) == (2, [PARTITION])
    running.cancel()
    await partitions.stop()
