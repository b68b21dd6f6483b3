"""Acts by hand on paper: what each does, what is refused and why, that it is done once, and that none adds risk."""

from dataclasses import dataclass
from decimal import Decimal as D
from typing import Any

import pytest
from pydantic import ValidationError

from libs.runtime.errors import Unavailable
from libs.schemas import ids
from libs.schemas.account import AccountState, ControlRequested
from libs.schemas.acts import ActOutcome
from libs.schemas.audit import AuditEvent
from services.executor.application.board import Board
from services.executor.application.desks import Desks
from services.executor.application.lease_terms import LeaseTerms
from services.executor.domain.book import AccountBook
from services.executor.domain.plan import plan
from services.executor.ports.venues import Stored
from tests import builders
from tests.fakes import executor_values as values
from tests.fakes.executor_ports import Ports

ACCOUNT = "paper-1"
PARTITION = ids.partition(ACCOUNT)
RESTING = {"type": "limit", "time_in_force": "post_only", "limit_price": D(49_900)}


@dataclass
class Hand:
    """A paper account that a person acts on; `outcome` and `audited` are of the last act."""

    ports: Ports
    board: Board
    desks: Desks
    acts: int = 0
    ticks: int = 0

    @property
    def book(self) -> AccountBook:
        desk = self.desks.get(ACCOUNT)
        assert desk is not None
        return desk.book

    @property
    def outcome(self) -> ActOutcome:
        return self.book.acts[-1]

    @property
    def size(self) -> D:
        return sum((h.position.quantity for h in self.book.positions.values()), D(0))

    @property
    def stop(self) -> D | None:
        return self.book.positions[values.SYMBOL].position.stop_loss

    def entries(self) -> list[str]:
        return [o.intent.client_order_id for o in self.book.orders.values() if not o.intent.reduce_only]

    async def tick(self, price: float) -> None:
        self.ticks += 1
        self.ports.clock.advance(1)
        self.board.on_tick(values.tick(price, at=self.ports.clock.now()), self.ticks)
        desk = self.desks.get(ACCOUNT)
        assert desk is not None
        async with desk.turn():
            pass

    async def decide(self, name: str, **over: Any) -> None:
        action = over.pop("action", "buy")
        final = values.instruction(action, **{"quantity": D("0.05"), **over})
        body = values.validated(final, decision=name, at=self.ports.clock.now())
        await self.desks.execute(body, redelivered=False)

    async def rest(self, name: str) -> None:
        """An entry that rests."""
        now = self.ports.clock.now()
        final = values.instruction("adjust_position", quantity=D("0.05"), **RESTING)
        body = values.validated(final, decision=name, at=now)
        desk = self.desks.get(ACCOUNT)
        assert desk is not None
        await desk.resume(Stored(plan(body, body.verdicts, self.book, now)))

    async def act(self, act: dict[str, object], control_id: str | None = None) -> ControlRequested:
        self.acts += 1
        body = wanted(act, control_id or f"act-{self.acts}")
        await self.desks.control(body)
        return body

    async def restarted(self) -> None:
        """By a copy that has heard no price yet."""
        await self.desks.close(PARTITION, patience=1)
        self.board = Board(self.ports.clock)
        self.desks = Desks(self.ports.deps(), self.board, LeaseTerms())
        await self.desks.open(PARTITION, 2)

    async def told(self) -> tuple[AccountState, list[AuditEvent]]:
        desk = self.desks.get(ACCOUNT)
        assert desk is not None
        await desk.seat.sent()
        audits = [e.body for e in self.ports.publisher.published if isinstance(e.body, AuditEvent)]
        return self.ports.states.states[ACCOUNT], audits


def wanted(act: dict[str, object], control_id: str = "act-1") -> ControlRequested:
    return builders.act(act, ACCOUNT, control_id=control_id, requested_at=values.NOW)


async def hand(*, position: bool = True) -> Hand:
    """A long 0.05 at 50 000 with a stop at 49 000 and a target at 52 000."""
    ports = Ports()
    ports.config.accounts[ACCOUNT] = values.account(ACCOUNT)
    board = Board(ports.clock)
    made = Hand(ports, board, Desks(ports.deps(), board, LeaseTerms()))
    await made.desks.open(PARTITION, 1)
    await made.tick(50_000)
    if position:
        await made.decide("dec-1")
        assert made.size == D("0.05")
    return made


async def test_a_position_is_closed_at_market_with_its_protection_and_its_resting_entries() -> None:
    by_hand = await hand()
    await by_hand.rest("dec-2")
    assert len(by_hand.entries()) == 1
    await by_hand.act({"kind": "close", "symbol": values.SYMBOL})
    assert (by_hand.book.positions, by_hand.book.orders) == ({}, {})
    assert [t.reason for t in by_hand.book.closed_trades] == ["control"]
    assert by_hand.outcome.result == "done"
    assert by_hand.outcome.message.startswith("closed long 0.05 BTCUSDT, at 49")


@pytest.mark.parametrize(("share", "left"), [("0.5", "0.025"), ("0.333", "0.034"), ("0.0001", "0.049"), ("1", "0")])
async def test_a_share_is_cut_to_the_lot_and_is_one_lot_at_least(share: str, left: str) -> None:
    by_hand = await hand()
    await by_hand.act({"kind": "close", "symbol": values.SYMBOL, "share": share})
    assert by_hand.size == D(left)
    protection = {o.intent.quantity for o in by_hand.book.orders.values()}
    assert protection == ({D(left)} if D(left) else set())


async def test_a_stop_moves_to_the_safe_side_and_a_target_anywhere_ahead() -> None:
    by_hand = await hand()
    await by_hand.act({"kind": "stop", "symbol": values.SYMBOL, "price": "49500.01"})
    assert by_hand.stop == D("49500.1"), "rounded towards the price"
    assert by_hand.outcome.message == "the stop of BTCUSDT is at 49500.1"
    await by_hand.act({"kind": "target", "symbol": values.SYMBOL, "price": "53000"})
    assert by_hand.book.positions[values.SYMBOL].position.take_profit == D(53_000)
    await by_hand.act({"kind": "target", "symbol": values.SYMBOL, "price": "53000"})
    assert (by_hand.outcome.result, by_hand.outcome.message) == ("done", "the target of BTCUSDT is there already")
    assert sorted(o.intent.leg for o in by_hand.book.orders.values()) == ["stop", "target"]
    await by_hand.tick(49_400)
    assert [t.reason for t in by_hand.book.closed_trades] == ["stop"], "it is a stop, whoever set it"


async def test_a_resting_entry_is_cancelled_and_what_protects_is_not() -> None:
    by_hand = await hand()
    await by_hand.rest("dec-2")
    (entry,) = by_hand.entries()
    await by_hand.act({"kind": "cancel", "client_order_id": entry})
    assert (by_hand.entries(), by_hand.outcome.result) == ([], "done")
    stop = by_hand.book.leg(values.SYMBOL, "stop")
    assert stop is not None
    await by_hand.act({"kind": "cancel", "client_order_id": stop.intent.client_order_id})
    assert by_hand.outcome.reason == "not_an_entry"
    assert by_hand.book.leg(values.SYMBOL, "stop") == stop


REFUSALS: dict[str, tuple[dict[str, object], str]] = {
    "a symbol without a position": ({"kind": "close", "symbol": "ETHUSDT"}, "no_position"),
    "a position of before": (
        {"kind": "close", "symbol": "BTCUSDT", "opened_at": "2026-03-01T00:00:00Z"},
        "other_position",
    ),
    "a stop behind the market": ({"kind": "stop", "symbol": "BTCUSDT", "price": "50001"}, "stop_wrong_side"),
    "a stop that is moved away": ({"kind": "stop", "symbol": "BTCUSDT", "price": "48999"}, "stop_moved_away"),
    "a target behind the market": ({"kind": "target", "symbol": "BTCUSDT", "price": "49999"}, "target_wrong_side"),
    "a target of another asset": ({"kind": "target", "symbol": "BTCUSDT", "price": "500000"}, "target_absurd"),
    "an order that is none": ({"kind": "cancel", "client_order_id": "0" * 32}, "no_order"),
}


@pytest.mark.parametrize("case", REFUSALS, ids=str)
async def test_a_refused_act_changes_nothing_and_says_why(case: str) -> None:
    act, reason = REFUSALS[case]
    by_hand = await hand()
    before = by_hand.book
    await by_hand.act(act)
    after = by_hand.book
    assert (after.positions, after.orders, after.wallet) == (before.positions, before.orders, before.wallet)
    state, audits = await by_hand.told()
    assert (state.acts[-1].result, state.acts[-1].reason) == ("refused", reason)
    assert (audits[-1].who, audits[-1].what) == ("operator", f"act.{act['kind']}.refused")
    assert str(audits[-1].after).startswith(f"refused: {reason}: ")


async def test_a_stop_is_refused_where_no_price_is_known_and_a_close_waits_for_one() -> None:
    by_hand = await hand()
    await by_hand.restarted()
    await by_hand.act({"kind": "stop", "symbol": values.SYMBOL, "price": "49500"})
    assert by_hand.outcome.reason == "no_price"
    await by_hand.act({"kind": "close", "symbol": values.SYMBOL})
    assert (by_hand.outcome.result, by_hand.size) == ("sent", D("0.05"))
    await by_hand.tick(50_100)
    assert by_hand.size == 0


BAD_BODIES: dict[str, dict[str, object]] = {
    "a share of nothing": {"kind": "close", "symbol": "BTCUSDT", "share": "0"},
    "more than all": {"kind": "close", "symbol": "BTCUSDT", "share": "1.01"},
    "a price of nothing": {"kind": "stop", "symbol": "BTCUSDT", "price": "0"},
    "an act that opens": {"kind": "open", "symbol": "BTCUSDT"},
    "no order": {"kind": "cancel", "client_order_id": "*"},
}


@pytest.mark.parametrize("case", BAD_BODIES, ids=str)
def test_an_act_that_is_none_does_not_parse(case: str) -> None:
    with pytest.raises(ValidationError):
        wanted(BAD_BODIES[case])


def test_a_control_of_before_is_read_as_it_was_and_an_act_is_of_a_version_that_it_does_not_know() -> None:
    old = {"control_id": "c", "scope": "a", "state": "halted", "reason": "r", "by": "b", "requested_at": values.NOW}
    assert ControlRequested.model_validate(old | {"schema_version": 1}).state == "halted"
    act = {"act": {"kind": "close", "symbol": "BTCUSDT"}, "state": None}
    assert ControlRequested.model_validate(old | act | {"schema_version": 2}).act is not None
    for bad in (act, act | {"state": "halted", "schema_version": 2}, {"schema_version": 2}, {"state": None}):
        with pytest.raises(ValidationError):
            ControlRequested.model_validate(old | bad)
    with pytest.raises(ValidationError, match="on one account"):
        ControlRequested.model_validate(old | act | {"schema_version": 2, "scope": "all"})


async def test_an_act_that_comes_twice_is_done_once_and_audited_once() -> None:
    by_hand = await hand()
    for _ in range(2):
        await by_hand.act({"kind": "close", "symbol": values.SYMBOL, "share": "0.5"}, "act-same")
    for _ in range(2):
        await by_hand.act({"kind": "stop", "symbol": values.SYMBOL, "price": "1"}, "act-refused")
    assert by_hand.size == D("0.025")
    _, audits = await by_hand.told()
    assert [audit.what for audit in audits] == ["act.close.done", "act.stop.refused"]
    assert (audits[0].before, audits[0].after) == (
        "long 0.05 BTCUSDT, entry 50010.1, stop 49000, target 52000",
        "long 0.025 BTCUSDT, entry 50010.1, stop 49000, target 52000",
    )


@pytest.mark.parametrize("writes", range(4))
async def test_an_act_is_finished_by_whoever_takes_the_account_over(writes: int) -> None:
    """MongoDB goes away after each write in turn, and comes back for another copy."""
    by_hand = await hand()
    await by_hand.told()
    by_hand.ports.accounts.writes_left = writes
    body = wanted({"kind": "close", "symbol": values.SYMBOL, "share": "0.5"})
    try:
        await by_hand.desks.control(body)
    except Unavailable as error:
        assert "away" in str(error)
    by_hand.ports.accounts.writes_left = None
    await by_hand.desks.close(PARTITION, patience=0)
    await by_hand.desks.open(PARTITION, 2)
    await by_hand.tick(50_000)
    await by_hand.desks.control(body)
    assert by_hand.size == D("0.025")
    assert [outcome.result for outcome in by_hand.book.acts] == ["done"]
    assert by_hand.book.wallet == D("10000") - by_hand.book.fees_total + by_hand.book.realised_total
