"""Trades summed up from events are the executor's own closed trades; alerts follow a close."""

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.records.collections import TRADES
from libs.records.trades import trade_of
from libs.runtime.emit import Emit
from libs.schemas.account import ControlRequested, Position
from libs.schemas.analytics import Alert
from libs.schemas.market import FundingUpdate
from libs.schemas.orders import PositionEvent, PositionKind
from libs.schemas.reasons import RejectReason
from services.executor.domain.changes import Turn, events
from services.executor.domain.liquidation import fund
from services.ledger.application.storing import alerts_after, told_after
from services.ledger.domain.project import project
from tests import builders
from tests.fakes.executor_values import NOW, SYMBOL, book, closing_instruction, market, quote
from tests.fakes.ledger_chain import Chain
from tests.fakes.ledger_store import FakeLog, FakeStore, ledger_deps
from tests.unit.executor.paper import submitted, ticked
from tests.unit.executor.test_paper import long

T0 = Chain().at(0)


def position(quantity: str = "2", entry: str = "100", n: int = 0, **more: Any) -> Position:
    values: dict[str, Any] = {
        "quantity": Decimal(quantity),
        "entry_price": Decimal(entry),
        "margin": Decimal(quantity) * Decimal(entry) / 2,
        "opened_at": T0 + timedelta(minutes=n),
        "decision_id": f"dec-{n}",
    }
    return builders.position(**(values | more))


def event(n: str, kind: PositionKind, before: Position | None, after: Position | None, pnl: str = "0") -> PositionEvent:
    return builders.position_event(
        kind,
        event_id=n,
        account_id="alpha",
        before=before,
        after=after,
        realized_pnl=Decimal(pnl),
        fee=Decimal(1),
        funding=Decimal("-0.5") if kind == "changed" else Decimal(0),
        at=T0 + timedelta(hours=1),
    )


LIFE = [
    event("1", "opened", None, position("2")),
    event("2", "changed", position("2"), position("3", "110")),
    event("3", "changed", position("3", "110"), position("1", "110"), "20"),
    event("4", "closed", position("1", "110"), None, "-5"),
]


@pytest.mark.parametrize("seed", range(6))
def test_events_in_any_order_and_number_give_the_same_trade(seed: int) -> None:
    store, told = FakeStore(), LIFE * 2
    random.Random(seed).shuffle(told)
    for one in told:
        store.apply_now(project(one, T0))
    (row,) = store.collections[TRADES].values()
    trade = trade_of(row)
    assert (trade.pnl, trade.fees, trade.funding) == (Decimal(10), Decimal(4), Decimal(-1))
    # 200 in, 130 more in (3 × 110 − 200), 2 out at 110 + 10 each, 1 out at 105
    assert trade.volume == Decimal(200 + 130 + 240 + 105)
    assert (trade.margin, trade.opened_at, trade.closed_at) == (Decimal(165), T0, T0 + timedelta(hours=1))


def test_a_trade_is_what_the_executor_says_it_closed() -> None:
    turn = long(book())
    part = closing_instruction(action="adjust_position", quantity=Decimal("0.04"))
    turn = turn.join(submitted(turn.book, part, quote(50_500, seconds=1), decision="dec-2", seconds=1))
    rest = closing_instruction(quantity=Decimal("0.06"))
    turn = turn.join(submitted(turn.book, rest, quote(50_700, seconds=2), decision="dec-3", seconds=2))
    assert SYMBOL not in turn.book.positions
    (closed,) = turn.book.closed_trades
    (found,) = rows_of(turn)
    assert (found.pnl, found.fees, found.funding) == (closed.pnl, closed.fees, closed.funding)
    assert found.opened_at == closed.opened_at
    exit_value = closed.quantity * closed.exit_price
    entry_value = closed.quantity * closed.entry_price
    assert float(found.volume) == pytest.approx(float(exit_value + entry_value), abs=0.05)


def test_funding_that_is_told_after_the_close_is_in_the_trade_that_owed_it() -> None:
    turn = long(book())
    whole = closing_instruction(quantity=Decimal("0.1"))
    turn = turn.join(submitted(turn.book, whole, quote(50_500, seconds=5), decision="dec-2", seconds=5))
    update = FundingUpdate(symbol=SYMBOL, funding_time=NOW, rate=0.0004, mark_price=50_000)
    turn = turn.join(fund(Turn(turn.book), update, market(quote(50_500, seconds=900), seconds=900)))
    (closed,) = turn.book.closed_trades
    (found,) = rows_of(turn)
    assert (found.pnl, found.fees, found.funding) == (closed.pnl, closed.fees, closed.funding)
    assert closed.funding == turn.book.funding_total == -2


def test_a_liquidated_trade_has_lost_what_the_account_lost() -> None:
    turn = long(book(), quantity=Decimal("0.9"), stop=Decimal(45_000))
    turn = turn.join(ticked(turn, quote(20_000, seconds=5)))
    (closed,) = turn.book.closed_trades
    (found,) = rows_of(turn)
    assert turn.book.insolvency > 0
    assert (found.pnl, found.liquidated) == (closed.pnl, True)
    assert found.pnl == turn.book.wallet - 10_000


def test_a_stop_that_was_hit_ends_a_trade_too() -> None:
    turn = long(book())
    turn = turn.join(ticked(turn, quote(48_000, seconds=5)))
    (closed,) = turn.book.closed_trades
    (found,) = rows_of(turn)
    assert (found.pnl, found.liquidated) == (closed.pnl, False)


def rows_of(turn: Turn) -> list[Any]:
    store = FakeStore()
    for made in events(turn.book, turn.changes, NOW):
        store.apply_now(project(made, NOW))
    return [trade_of(row) for row in store.collections[TRADES].values() if "closed_at" in row]


async def test_five_losses_in_a_row_are_told_once_however_often_the_close_comes() -> None:
    store = FakeStore()
    deps = ledger_deps(store, FakeLog({}))
    told = []
    for n in range(6):
        held = position(n=n)
        for one in (event(f"o{n}", "opened", None, held), event(f"c{n}", "closed", held, None, "-30")):
            for _ in range(2):
                store.apply_now(project(one, T0))
                told.append(
                    [alert.alert_id for alert in await alerts_after(deps, one) if alert.kind == "consecutive_losses"]
                )
    ids = {one for row in told for one in row}
    assert [bool(row) for row in told] == [False] * 18 + [True] * 2 + [False] * 2 + [True] * 2
    assert len(ids) == 1


async def test_abstentions_of_the_last_hour_are_told() -> None:
    store = FakeStore()
    deps = ledger_deps(store, FakeLog({}))
    told: list[Emit] = []
    for n in range(6):
        chain = Chain(request_id=f"r{n}")
        end = chain.rejected(RejectReason.ABSTAINED)
        store.apply_now(project(end, T0))
        told += await told_after(deps, end)
    alerts = [emit.body for emit in told if isinstance(emit.body, Alert)]
    assert {alert.kind for alert in alerts} == {"abstain_rate"}
    assert len(alerts) == 2  # from the fifth on
    assert len({alert.alert_id for alert in alerts}) == 1


async def test_a_model_that_has_fallen_silent_stops_its_account_from_opening_more() -> None:
    store = FakeStore()
    deps = ledger_deps(store, FakeLog({}))
    told: list[Emit] = []
    for n in range(12):
        end = Chain(request_id=f"r{n}").rejected(RejectReason.ABSTAINED)
        store.apply_now(project(end, T0))
        told += await told_after(deps, end)
    controls = [emit for emit in told if isinstance(emit.body, ControlRequested)]
    assert [emit.subject for emit in controls] == [f"control.requested.{Chain().account}"] * 3  # from the tenth on
    assert len({emit.body.message_id() for emit in controls}) == 1
