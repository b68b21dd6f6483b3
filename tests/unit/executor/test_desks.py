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
from libs.schemas.analytics import Alert
from services.executor.application.board import Board
from services.executor.application.desk import Desk
from services.executor.application.desks import Desks
from services.executor.application.partitions import Partitions
from services.executor.handlers import decode
from tests import builders
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
    return builders.control(state, scope, control_id=control_id, by="operator", requested_at=values.NOW)


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
        made.ports.config.filters = values.filters(max_quantity=D(10_000))
        await made.tick(2, 1)
        entry = values.instruction(quantity=D(5_000), notional=D(10_000), stop=D("1.9"), target=D("2.2"))
        await made.desks.execute(values.validated(entry, price=2), redelivered=False)
        assert made.desk.book.positions[values.SYMBOL].position.quantity > 2_000
        await made.tick(9e11, 2)  # beyond the target; a price may be so high, but no money is so much as this position
        assert values.SYMBOL in made.desk.book.positions
        await made.tick(1.8, 3)
        assert [trade.exit_price < 2 for trade in made.desk.book.closed_trades] == [True]


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
    async with asyncio.timeout(60):
        while not partitions.held:  # noqa: ASYNC110 - the next beat takes it
            await asyncio.sleep(0.05)
    assert (made.ports.leases.fence, started) == (2, [PARTITION])
    running.cancel()
    await partitions.stop()


async def test_a_document_that_cannot_be_read_keeps_only_its_own_account_closed() -> None:
    made = world()
    made.ports.accounts.unreadable = {"paper-11": "ValidationError: wallet"}
    await made.desks.open(PARTITION, 1)
    assert made.desk.book.account_id == ACCOUNT
    (alert,) = [e.body for e in made.ports.publisher.published if isinstance(e.body, Alert)]
    assert (alert.account_id, alert.severity) == ("paper-11", "critical")
    made.ports.config.accounts["paper-11"] = values.account("paper-11")
    with pytest.raises(Poison, match="the document of paper-11 cannot be read: mend it"):
        await made.desks.execute(values.validated(values.instruction(), account_id="paper-11"), redelivered=False)


async def test_a_deleted_account_is_let_go_once_it_is_flat() -> None:
    async with opened() as made:
        await made.tick(50_000, 1)
        await made.desks.execute(values.validated(values.instruction()), redelivered=False)
        del made.ports.config.accounts[ACCOUNT]
        made.desks.configured(f"account.{ACCOUNT}", None)
        await made.quiet()
        assert [e.body.kind for e in made.ports.publisher.published if isinstance(e.body, Alert)] == ["reconcile"]
        await made.desks.retire()
        assert made.desk.book.positions, "its stop is still watched"
        await made.tick(48_900, 2)
        await made.desks.retire()
        assert made.desks.get(ACCOUNT) is None
        await made.desks.open(PARTITION, 2)
        assert made.desks.get(ACCOUNT) is None, "nothing is open in it"


async def test_events_carry_the_trace_of_the_decision_that_they_follow_from() -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    async with opened() as made:
        await made.tick(50_000, 1)
        await made.desks.execute(values.validated(values.instruction()), redelivered=False, trace=trace)
        await made.tick(48_900, 2)  # the stop, long after the message
        for _ in range(3):
            await made.quiet()
        told = [e for e in made.ports.publisher.published if e.subject.startswith(("order.", "position."))]
        assert {e.subject.split(".")[1] for e in told} >= {"placed", "filled", "opened", "closed"}
        assert {(e.cause or {}).get("traceparent") for e in told} == {trace}
        assert made.desk.book.traces == {"cor-dec-1": trace}


async def test_a_venue_that_rejects_stops_has_its_positions_closed_by_the_timer() -> None:
    made = world()
    made.ports.refuses = frozenset({"stop"})
    made.desks = Desks(made.ports.deps(), made.board)
    await made.desks.open(PARTITION, 1)
    await made.tick(50_000, 1)
    await made.desks.execute(values.validated(values.instruction()), redelivered=False)
    assert made.desk.book.positions
    made.ports.clock.advance(5)
    assert made.desk.due <= made.ports.clock.now()
    await made.desk.tend()
    assert not made.desk.book.positions
    await made.quiet()
    alerts = [e.body for e in made.ports.publisher.published if isinstance(e.body, Alert)]
    assert [(a.kind, a.severity) for a in alerts] == [("protection", "critical")]
    await made.desks.close(PARTITION, patience=1)


async def test_the_daily_loss_is_seen_without_any_message() -> None:
    async with opened() as made:
        made.ports.config.daily_loss = 0.5
        await made.tick(50_000, 1)
        await made.desks.execute(values.validated(values.instruction(stop=D(40_000))), redelivered=False)
        assert not made.desk.ails()
        await made.tick(48_900, 2)
        assert made.desk.ails()
        await made.desk.tend()
        assert (made.desk.book.trading_state, made.desk.book.moved_by) == ("reducing", "daily_loss")


async def test_a_margin_mode_is_taken_over_once_the_account_is_flat() -> None:
    async with opened() as made:
        await made.tick(50_000, 1)
        await made.desks.execute(values.validated(values.instruction()), redelivered=False)
        cross = values.account(ACCOUNT, margin_mode="cross")
        await made.desks.configure(cross)
        modes = [str(made.desk.book.margin_mode)]
        await made.tick(48_900, 2)
        await made.desks.configure(cross)
        assert [*modes, made.desk.book.margin_mode] == ["isolated", "cross"]
