"""A live account's turns over a venue in memory: what is sent, in which order, and what the books know of it."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.errors import Poison, Unavailable
from tests import builders
from tests.fakes import executor_values as values
from tests.fakes.executor_ports import Ports
from tests.fakes.live_venue import FakeLive, FakeVenue
from tests.forms import examples
from tests.unit.executor.live import ACCOUNT, PARTITION, World, account, world


async def test_a_fill_is_protected_at_once_and_booked_with_the_venues_own_figures() -> None:
    async with world() as w:
        await w.decide()
        assert w.venue.sent == ["entry 0.05", "stop 0.05", "target 0.05"]
        position = w.book.positions[values.SYMBOL].position
        assert (position.quantity, position.stop_loss, position.take_profit) == (D("0.05"), D(49_000), D(52_000))
        assert w.book.wallet == w.venue.book.wallet
        assert w.book.positions[values.SYMBOL].bare_since is None


async def test_protection_is_sent_even_where_nothing_can_be_stored() -> None:
    async with world() as w:
        entered = w.venue.submit

        async def broken(*args: object) -> object:
            w.ports.accounts.away = Unavailable("MongoDB is away")
            return await entered(*args)  # type: ignore[arg-type]

        w.venue.submit = broken  # type: ignore[method-assign, assignment]
        with pytest.raises(Unavailable):
            await w.decide()
        assert w.resting() == [("STOP_MARKET", D("0.05")), ("TAKE_PROFIT_MARKET", D("0.05"))]
        w.ports.accounts.away = None
        w.venue.submit = entered  # type: ignore[method-assign]
        await w.pass_time(1)
        assert w.resting() == [("STOP_MARKET", D("0.05")), ("TAKE_PROFIT_MARKET", D("0.05"))]
        assert w.book.positions[values.SYMBOL].position.stop_loss == D(49_000)
        assert w.book.trading_state == "active", "its own stop is nothing foreign"


@pytest.mark.parametrize("left", [0.0, 1.4])
async def test_nothing_is_sent_whose_signature_would_outlive_the_lease(left: float) -> None:
    async with world() as w:
        w.terms.taken(PARTITION, left)
        await w.decide()
        assert w.venue.sent == []
        w.terms.taken(PARTITION, 8)
        await w.pass_time(1)
        assert w.venue.sent == ["entry 0.05", "stop 0.05", "target 0.05"]


async def test_a_stop_that_was_held_back_is_sent_again_and_until_then_the_position_is_bare() -> None:
    async with world() as w:
        w.venue.answers.extend([None, "held"])
        await w.decide()
        assert w.resting() == [("TAKE_PROFIT_MARKET", D("0.05"))]
        assert w.book.positions[values.SYMBOL].bare_since is not None
        await w.pass_time(1)
        assert w.resting() == [("STOP_MARKET", D("0.05")), ("TAKE_PROFIT_MARKET", D("0.05"))]
        assert w.book.positions[values.SYMBOL].bare_since is None


async def test_a_position_whose_stop_is_refused_is_closed_after_the_grace() -> None:
    async with world() as w:
        w.venue.book.rejects_stops = True
        await w.decide()
        await w.pass_time(4)
        assert values.SYMBOL in w.book.positions
        await w.pass_time(1)
        assert w.book.positions == {}
        assert w.venue.book.positions[values.SYMBOL].amount == 0


async def test_a_silent_order_that_was_taken_is_found_and_not_sent_again() -> None:
    async with world() as w:
        w.venue.answers.append("late")
        await w.decide()
        await w.pass_time(1)
        assert w.venue.sent == ["entry 0.05", "stop 0.05", "target 0.05"]
        assert values.SYMBOL in w.book.positions


async def test_a_silent_order_that_never_arrived_is_sent_again_only_once_that_is_certain() -> None:
    async with world() as w:
        await w.pass_time(5)
        w.venue.answers.append("lost")
        await w.decide()
        await w.pass_time(1)
        assert w.venue.sent == ["entry 0.05"]
        await w.pass_time(1)
        assert w.venue.sent == ["entry 0.05", "entry 0.05", "stop 0.05", "target 0.05"]


async def test_a_silent_entry_that_never_arrived_ends_with_its_decision() -> None:
    async with world() as w:
        w.venue.answers.append("lost")
        await w.decide()
        await w.pass_time(3_600)
        assert "entry 0.05" not in w.venue.sent[1:]
        assert w.book.orders == {}


async def test_a_position_that_shrinks_gets_its_new_stop_before_the_old_one_goes() -> None:
    async with world() as w:
        await w.decide()
        w.venue.sent.clear()
        await w.carry_out("dec-2", values.closing_instruction(quantity=D("0.02")))
        assert w.venue.sent == ["exit 0.02", "stop 0.03", "target 0.03", "cancel", "cancel"]
        assert w.resting() == [("STOP_MARKET", D("0.030")), ("TAKE_PROFIT_MARKET", D("0.030"))]


async def test_a_decision_that_comes_twice_is_sent_once() -> None:
    async with world() as w:
        await w.decide()
        await w.decide()
        assert [s for s in w.venue.sent if s.startswith("entry")] == ["entry 0.05"]


async def test_halting_takes_back_resting_entries_and_leaves_stops() -> None:
    async with world() as w:
        await w.decide()
        limit = {"type": "limit", "time_in_force": "gtc", "limit_price": D(49_500)}
        await w.carry_out("dec-2", values.instruction("adjust_position", quantity=D("0.05"), **limit))
        assert ("LIMIT", D("0.05")) in w.resting()
        body = builders.control("halted", ACCOUNT, requested_at=values.NOW)
        await w.desks.control(body)
        assert w.resting() == [("STOP_MARKET", D("0.05")), ("TAKE_PROFIT_MARKET", D("0.05"))]


@pytest.mark.parametrize(
    ("live", "over", "says"),
    [
        ({"allowed": False}, {}, "EXECUTOR_ALLOW_LIVE"),
        ({"credential": False}, {}, "its credential is not there"),
        ({}, {"credential": None}, "it names no credential"),
        ({}, {"venue": "okx"}, "take one of aster"),
        ({}, {"symbols": ("ETHUSDT",)}, "there are no rules of ETHUSDT"),
    ],
)
async def test_an_account_that_misses_a_gate_is_told_once_and_takes_no_verdicts(
    live: dict[str, object], over: dict[str, object], says: str
) -> None:
    made = Ports()
    async with world(FakeLive(FakeVenue(made.clock), **live), **over) as w:  # type: ignore[arg-type]
        assert w.desks.get(ACCOUNT) is None
        (alert,) = w.alerts()
        assert (alert.severity, says in alert.message) == ("critical", True)
        await w.desks.configure(w.ports.config.accounts[ACCOUNT])
        assert len(w.alerts()) == 1
        with pytest.raises(Poison, match="is closed"):
            await w.decide()


async def test_a_credential_belongs_to_one_account() -> None:
    async with world() as w:
        w.ports.config.accounts["live-2"] = account().model_copy(update={"account_id": "live-2"})
        await w.desks.configure(w.ports.config.accounts[ACCOUNT])
        assert "another account uses its credential" in w.alerts()[-1].message


async def test_a_key_that_can_withdraw_and_positions_that_are_not_ours_keep_an_account_shut() -> None:
    made = FakeLive(FakeVenue(Ports().clock, withdraws=True))
    async with world(made) as w:
        assert "can withdraw" in w.alerts()[-1].message
        assert w.venue.closed
    made = FakeLive(FakeVenue(Ports().clock))
    made.venue.book.place({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}, algo=False)
    async with world(made) as w:
        assert "--adopt" in w.alerts()[-1].message
        assert w.desks.get(ACCOUNT) is None


async def test_positions_that_are_taken_over_get_a_stop_of_ours_where_theirs_is() -> None:
    made = FakeLive(FakeVenue(Ports().clock), adopts=frozenset({ACCOUNT}))
    made.venue.book.prices[values.SYMBOL] = D(50_000)
    made.venue.book.place({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}, algo=False)
    stop = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01", "stopPrice": "48000"}
    made.venue.book.place({**stop, "reduceOnly": "true", "newClientOrderId": "web_1"}, algo=False)
    async with world(made) as w:
        position = w.book.positions[values.SYMBOL].position
        assert (position.quantity, position.stop_loss) == (D("0.01"), D(48_000))
        assert w.resting() == [("STOP_MARKET", D("0.01"))] * 2


async def test_paper_books_never_become_live_ones() -> None:
    async with world() as w:
        stored = w.ports.accounts.stored[ACCOUNT]
        await w.desks.close(PARTITION, patience=0)
        w.ports.accounts.stored[ACCOUNT] = replace(stored, book=replace(stored.book, mode="paper", venue="paper"))
        await w.desks.open(PARTITION, 2)
        await w.quiet()
        assert "under a new account id" in w.alerts()[-1].message


ACTS: dict[str, dict[str, object]] = {
    "halve": {"kind": "close", "symbol": values.SYMBOL, "share": "0.5"},
    "close": {"kind": "close", "symbol": values.SYMBOL},
    "tighten": {"kind": "stop", "symbol": values.SYMBOL, "price": "49500"},
    "aim": {"kind": "target", "symbol": values.SYMBOL, "price": "52050"},
}
STEPS = st.lists(
    st.sampled_from(
        [
            *("decide", "silence", "lose", "hold", "refuse", "up", "down", "by hand", "partly", "wait", "die"),
            *("store away", "store breaks", "venue away", *ACTS),
        ]
    ),
    max_size=14,
)


@examples(25, 1_000)
@given(STEPS)
async def test_whatever_happens_books_and_venue_agree_in_the_end_and_nothing_is_bare(steps: list[str]) -> None:
    async with world() as w:
        for n, step in enumerate(steps):
            with suppress(Unavailable):
                await happen(w, step, n)
            if "away" not in step and "breaks" not in step:
                w.venue.away, w.ports.accounts.away, w.ports.accounts.writes_left = False, None, None
        w.venue.away, w.ports.accounts.away, w.ports.accounts.writes_left = False, None, None
        if w.desks.get(ACCOUNT) is None:
            await w.desks.configure(w.ports.config.accounts[ACCOUNT])
        w.venue.answers.clear()
        w.venue.book.rejects_stops = False
        for _ in range(4):
            await w.pass_time(31)
        theirs = {s: p.amount for s, p in w.venue.book.positions.items() if p.amount}
        ours = {s: h.position.quantity for s, h in w.book.positions.items()}
        assert ours == theirs
        assert abs(w.book.wallet - w.venue.book.wallet) < D("0.01")
        assert {o.intent.client_order_id for o in w.book.orders.values()} == {
            o["clientOrderId"] for o in w.venue.book.open(None, algo=False)
        }
        for symbol, quantity in theirs.items():
            stops = [o for o in w.venue.book.open(symbol, algo=False) if o["type"] == "STOP_MARKET"]
            assert [D(stop["origQty"]) for stop in stops] == [quantity]


async def happen(w: World, step: str, n: int) -> None:
    book = w.venue.book
    if step == "decide" and w.desks.get(ACCOUNT) is not None:
        await w.decide(f"dec-{n}")
    elif step in ACTS and w.desks.get(ACCOUNT) is not None:
        await w.act(ACTS[step], f"act-{n}")
    elif step == "store away":
        w.ports.accounts.away = Unavailable("MongoDB is away")
    elif step == "store breaks":
        w.ports.accounts.writes_left = 2
    elif step == "venue away":
        w.venue.away = True
    elif step == "partly":
        book.partial = D("0.4")
    elif step in ("up", "down"):
        book.now_ms = int(w.ports.clock.now().timestamp() * 1_000)
        book.move(values.SYMBOL, D(52_100) if step == "up" else D(48_900))
        book.move(values.SYMBOL, D(50_000))
    elif step == "by hand" and book.positions.get(values.SYMBOL) and book.positions[values.SYMBOL].amount:
        book.now_ms = int((w.ports.clock.now() + timedelta(milliseconds=1)).timestamp() * 1_000)
        book.vanish(values.SYMBOL, "web_1")
    elif step == "die":
        await w.desks.close(PARTITION, patience=0)
        w.venue.closed = False
        await w.desks.open(PARTITION, n + 2)
        await w.quiet()
    elif step == "wait" and w.desks.get(ACCOUNT) is not None:
        await w.pass_time(1)
    else:
        answers = {"silence": "late", "lose": "lost", "hold": "held", "refuse": "no"}
        if step in answers:
            w.venue.answers.append(answers[step])
