"""What the account holds and has left while a decision is judged."""

from decimal import Decimal as D

import pytest

from libs.risk import AccountView, Resting
from libs.risk.case import Book, Caps, Case
from tests.unit.risk.samples import BTC, ETH, LATER, NOW, SOL, account, facts, limits, position, seen, without


def book(view: AccountView, **market: float) -> Book:
    known = facts({symbol: seen(mark=mark) for symbol, mark in market.items()})
    return Book.of(Case(known, view, limits(), Caps.of(limits(), view), NOW, LATER, None, {}, {}))


def test_positions_count_at_the_mark_and_with_what_rests() -> None:
    opened = book(account(position(BTC), position(ETH), resting={BTC: D(50), SOL: D(70)}), BTCUSDT=110)
    assert opened.notional == {BTC: D(1_150), SOL: D(70), ETH: D(1_000)}
    assert opened.gross == 2_220
    assert opened.available == 9_600
    assert opened.sides == {BTC: "long", SOL: "long", ETH: "long"}


def test_a_position_without_a_mark_counts_at_its_entry() -> None:
    view = account(position(BTC, entry="90"))
    case = Case(without(BTC), view, limits(), Caps.of(limits(), view), NOW, LATER, None, {}, {})
    assert Book.of(case).notional == {BTC: D(900)}


@pytest.mark.parametrize(
    ("resting", "side"),
    [
        (Resting(D(50), "long"), "long"),
        (Resting(D(50), "short"), None),
        (Resting(D(50), None), None),
    ],
)
def test_a_symbol_is_on_one_side_only_where_all_of_it_is(resting: Resting, side: str | None) -> None:
    assert book(account(position(BTC), resting={BTC: resting})).sides == {BTC: side}


def test_an_entry_takes_its_place() -> None:
    opened = book(account(position(BTC)))
    opened.enter(ETH, "short", D(300), D(40))
    opened.enter(BTC, "long", D(200), D(30))
    assert opened.notional == {BTC: D(1_200), ETH: D(300)}
    assert (opened.gross, opened.available) == (D(1_500), D(9_730))
    assert opened.sides == {BTC: "long", ETH: "short"}
    opened.enter(ETH, "long", D(1), D(1))
    assert opened.sides[ETH] is None


def test_a_decrease_leaves_the_rest_with_its_share_of_the_margin() -> None:
    opened = book(account(position(BTC)))
    opened.leave(opened.positions[BTC], D(4), D(110), D(75))
    left = opened.positions[BTC]
    assert (left.quantity, left.margin, left.stop) == (D(6), D(120), D(95))
    assert opened.notional == {BTC: D(560)}
    assert (opened.gross, opened.available) == (D(560), D(9_875))
    assert opened.sides == {BTC: "long"}


def test_a_close_leaves_nothing() -> None:
    opened = book(account(position(BTC), position(ETH)))
    opened.leave(opened.positions[BTC], D(10), D(100), D(190))
    assert set(opened.positions) == set(opened.notional) == set(opened.sides) == {ETH}
    assert (opened.gross, opened.available) == (D(1_000), D(9_790))


def test_a_close_leaves_what_rests_until_that_is_gone() -> None:
    opened = book(account(position(BTC), resting={BTC: Resting(D(50), "short")}))
    opened.leave(opened.positions[BTC], D(10), D(100), D(190))
    assert opened.resting == {}
    assert (opened.notional, opened.sides, opened.gross) == ({BTC: D(50)}, {BTC: "short"}, D(50))


def test_moved_protection_counts_for_the_rows_after_it() -> None:
    opened = book(account(position(BTC)))
    opened.protect(BTC, D(97), None)
    assert (opened.positions[BTC].stop, opened.positions[BTC].target) == (D(97), D(120))
    opened.protect(BTC, None, D(130))
    assert (opened.positions[BTC].stop, opened.positions[BTC].target) == (D(97), D(130))
