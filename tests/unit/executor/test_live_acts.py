"""Acts by hand at a live venue: stored before they are sent, protected, and told by what the venue said."""

from decimal import Decimal as D

import pytest

from libs.runtime.errors import Unavailable
from tests.fakes import executor_values as values
from tests.unit.executor.live import ACCOUNT, PARTITION, World, world

HALVE: dict[str, object] = {"kind": "close", "symbol": values.SYMBOL, "share": "0.5"}
CLOSE: dict[str, object] = {"kind": "close", "symbol": values.SYMBOL}
TIGHTEN: dict[str, object] = {"kind": "stop", "symbol": values.SYMBOL, "price": "49500"}
AIM: dict[str, object] = {"kind": "target", "symbol": values.SYMBOL, "price": "53000"}


def ends(w: World) -> list[tuple[str, str | None]]:
    return [(outcome.result, outcome.reason) for outcome in w.book.acts]


async def test_a_half_is_closed_and_the_rest_keeps_a_stop_of_its_size() -> None:
    async with world() as w:
        await w.decide()
        w.venue.sent.clear()
        await w.act(HALVE, "act-1")
        assert w.venue.sent == ["exit 0.025", "stop 0.025", "target 0.025", "cancel", "cancel"]
        assert w.resting() == [("STOP_MARKET", D("0.025")), ("TAKE_PROFIT_MARKET", D("0.025"))]
        assert ends(w) == [("done", None)]
        assert w.book.acts[-1].message == "closed 0.025 of long 0.05 BTCUSDT, at 50000"


async def test_a_stop_is_placed_before_the_old_one_goes() -> None:
    async with world() as w:
        await w.decide()
        w.venue.sent.clear()
        await w.act(TIGHTEN, "act-1")
        await w.act(AIM, "act-2")
        assert w.venue.sent == ["stop 0.05", "cancel", "target 0.05", "cancel"]
        position = w.book.positions[values.SYMBOL].position
        assert (position.stop_loss, position.take_profit) == (D(49_500), D(53_000))
        assert ends(w) == [("done", None)] * 2


async def test_a_stop_that_the_venue_refuses_leaves_the_old_one_and_says_so() -> None:
    async with world() as w:
        await w.decide()
        w.venue.answers.append("no")
        await w.act(TIGHTEN, "act-1")
        assert ends(w) == [("refused", "venue_refused")]
        assert w.book.positions[values.SYMBOL].position.stop_loss == D(49_000)
        assert w.resting() == [("STOP_MARKET", D("0.05")), ("TAKE_PROFIT_MARKET", D("0.05"))]


@pytest.mark.parametrize("answer", ["late", "lost", "held"])
async def test_a_close_without_an_answer_is_told_as_sent_and_done_once(answer: str) -> None:
    async with world() as w:
        await w.decide()
        await w.pass_time(5)
        w.venue.answers.append(answer)
        await w.act(CLOSE, "act-1")
        assert ends(w) == [("sent", None)]
        for _ in range(4):
            await w.pass_time(1)
        assert w.book.positions == {}
        assert w.venue.book.positions[values.SYMBOL].amount == 0
        await w.act(CLOSE, "act-1")
        assert ends(w) == [("sent", None)]


@pytest.mark.parametrize("writes", range(6))
@pytest.mark.parametrize("act", [HALVE, CLOSE, TIGHTEN], ids=["halve", "close", "tighten"])
async def test_an_act_is_finished_by_whoever_takes_the_account_over(act: dict[str, object], writes: int) -> None:
    """MongoDB goes away after each write in turn, and another copy finds the documents and the venue as they are."""
    async with world() as w:
        await w.decide()
        await w.desk.seat.sent()
        w.ports.accounts.writes_left = writes
        try:
            await w.act(act, "act-1")
        except Unavailable:
            assert writes < 6
        w.ports.accounts.writes_left = None
        await w.desks.close(PARTITION, patience=0)
        await w.desks.open(PARTITION, 2)
        await w.quiet()
        assert w.desks.get(ACCOUNT) is not None
        await w.act(act, "act-1")
        await w.pass_time(31)
        left = {"close": D(0), "stop": D("0.05")}.get(str(act["kind"]), D(0)) if act is not HALVE else D("0.025")
        assert w.venue.book.positions[values.SYMBOL].amount == left
        assert sum((h.position.quantity for h in w.book.positions.values()), D(0)) == left
        stops = [o for o in w.venue.book.open(values.SYMBOL, algo=False) if o["type"] == "STOP_MARKET"]
        assert [D(stop["origQty"]) for stop in stops] == ([left] if left else [])
        assert [outcome.control_id for outcome in w.book.acts] == ["act-1"]
        if act is TIGHTEN:
            assert D(stops[0]["stopPrice"]) == D(49_500)
