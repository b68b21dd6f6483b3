"""An isolated position loses its margin and no more, however it ends: what is free and others' margins stay."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from libs.perps.fees import fee
from libs.schemas.account import MarginMode
from libs.schemas.market import FundingUpdate
from services.executor.domain import paper
from services.executor.domain.book import AccountBook, available
from services.executor.domain.changes import Turn
from services.executor.domain.liquidation import closing_order, fund
from services.executor.domain.quote import Quote
from tests.fakes.executor_values import NOW, SYMBOL, book, closing_instruction, instruction, market, quote
from tests.unit.executor.paper import submitted, ticked

RULES: dict[str, Any] = {
    "tick_size": D("0.01"),
    "half_spread_bps": D(0),
    "slippage_bps": D(0),
    "impact_bps": D(0),
    "taker_fee_bps": D(10),
    "liquidation_fee_bps": D(10),
}
OTHER = "ETHUSDT"
OPENS = {"long": "buy", "short": "sell"}
ENDS = {"long": "sell", "short": "buy"}
STOPS = {"long": D(95), "short": D(105)}
BEYOND = {"long": 80.0, "short": 120.0}  # twice the margin away
STOPPING = {"long": 94.9, "short": 105.1}
SIDES = pytest.mark.parametrize("side", ["long", "short"])


def other() -> Quote:
    return quote(100, symbol=OTHER, seconds=1)


def opened(side: str) -> AccountBook:
    """100 at 100 with a margin of 1 000, beside another position with a margin of 500; nothing but these has cost."""
    levels: dict[str, Any] = {"leverage": D(10), "entry": D(100), "target": None}
    free = {**RULES, "taker_fee_bps": D(0)}
    second = instruction(asset=OTHER, quantity=D(50), stop=None, **levels)
    held = submitted(book(), second, other(), decision="dec-0", **free).book
    first = instruction(OPENS[side], quantity=D(100), stop=STOPS[side], **levels)
    return submitted(held, first, quote(100), other(), **free).book


def wicked(held: AccountBook, side: str) -> tuple[AccountBook, Quote]:
    """A price that the mark does not follow, so that whoever closes is not liquidated before."""
    at = quote(BEYOND[side], mark_price=100, seconds=2)
    return ticked(Turn(held), at, other(), **RULES).book, at


def closed(held: AccountBook, side: str, quantity: int, at: Quote, decision: str = "dec-2") -> AccountBook:
    part = closing_instruction(ENDS[side], action="adjust_position", quantity=D(quantity))
    return submitted(held, part, at, other(), decision=decision, seconds=2, **RULES).book


def by_the_model(held: AccountBook, side: str) -> AccountBook:
    wick, at = wicked(held, side)
    return closed(wick, side, 100, at)


def in_three_parts(held: AccountBook, side: str) -> AccountBook:
    wick, at = wicked(held, side)
    for n, part in enumerate((10, 65, 25)):
        wick = closed(wick, side, part, at, f"dec-{n + 2}")
    return wick


def across_a_gap(held: AccountBook, side: str) -> AccountBook:
    """An order that waited for the market meets it before the liquidation does."""
    waiting = submitted(held, closing_instruction(ENDS[side], quantity=D(100)), quote(100), seconds=61, **RULES)
    return ticked(waiting, quote(BEYOND[side], seconds=62), other(), **RULES).book


def in_part_across_a_gap(held: AccountBook, side: str) -> AccountBook:
    """The liquidation takes the rest."""
    part = closing_instruction(ENDS[side], action="adjust_position", quantity=D(61))
    waiting = submitted(held, part, quote(100), seconds=61, **RULES)
    return ticked(waiting, quote(BEYOND[side], seconds=62), other(), **RULES).book


def by_its_stop(held: AccountBook, side: str) -> AccountBook:
    """The mark is at the stop and far from the liquidation; the market is beyond both."""
    at = quote(BEYOND[side], mark_price=STOPPING[side], seconds=1)
    return ticked(Turn(held), at, other(), **RULES).book


def by_liquidation(held: AccountBook, side: str) -> AccountBook:
    return ticked(Turn(held), quote(BEYOND[side], seconds=1), other(), **RULES).book


def flattened(held: AccountBook, side: str) -> AccountBook:
    wick, at = wicked(held, side)
    seen = market(at, other(), seconds=2, **RULES)
    order = closing_order(wick, wick.positions[SYMBOL], "flatten:1", seen.now, created=seen.now)
    return paper.submit(Turn(wick), order, seen).book


Exit = Callable[[AccountBook, str], AccountBook]
EXITS: tuple[Exit, ...] = (
    by_the_model,
    in_three_parts,
    across_a_gap,
    in_part_across_a_gap,
    by_its_stop,
    by_liquidation,
    flattened,
)


@SIDES
@pytest.mark.parametrize("leave", EXITS)
def test_however_a_position_ends_it_loses_its_margin_and_the_venue_bears_the_rest(leave: Exit, side: str) -> None:
    held = opened(side)
    after = leave(held, side)
    assert set(after.positions) == {OTHER}
    assert after.positions[OTHER] == held.positions[OTHER]
    assert (after.wallet, available(after)) == (D(9_000), available(held)) == (D(9_000), D(8_500))
    paid = fee(D(100), D(str(BEYOND[side])), D(10))
    assert (after.realised_total, after.fees_total) == (D(-2_000), paid)
    assert after.insolvency == 1_000 + paid
    assert [(t.pnl, t.insolvency) for t in after.closed_trades] == [(D(-1_000), 1_000 + paid)]


@pytest.mark.parametrize(
    ("price", "quantity", "margin", "wallet", "borne"),
    [
        (99, 10, "900", "9989.01", "0"),
        (90.1, 10, "900", "9900.099", "0"),
        (90, 10, "899.1", "9899.1", "0"),
        (80, 10, "799.2", "9799.2", "0"),
        (80, 49, "16.08", "9016.08", "0"),
        (80, 50, "0", "9000", "4"),
        (80, 75, "0", "9000", "506"),
        (110, 50, "500", "10494.5", "0"),
    ],
    ids=[
        "a loss within its share",
        "just within it",
        "the fee beyond it",
        "a loss beyond its share",
        "nearly all of the margin",
        "all of it",
        "more than it",
        "a profit",
    ],
)
def test_what_a_part_loses_beyond_its_share_the_margin_of_the_rest_pays(
    price: float, quantity: int, margin: str, wallet: str, borne: str
) -> None:
    held, at = opened("long"), quote(price, mark_price=100, seconds=2)
    after = closed(held, "long", quantity, at)
    rest = after.positions[SYMBOL]
    assert rest.position.quantity == 100 - quantity
    assert (rest.position.margin, after.wallet) == (D(margin), D(wallet))
    assert (after.insolvency, rest.insolvency) == (D(borne), D(borne))
    assert available(after) >= available(held)


def test_a_part_that_cost_the_margin_of_the_rest_brings_its_liquidation_nearer() -> None:
    held, at = opened("long"), quote(80, mark_price=100, seconds=2)
    before = held.positions[SYMBOL].position.liquidation_price
    after = closed(held, "long", 10, at).positions[SYMBOL].position.liquidation_price
    assert before is not None
    assert after is not None
    assert after > before


@SIDES
@pytest.mark.parametrize("more", [50, 150])
def test_who_turns_around_pays_the_new_position_from_what_is_free(side: str, more: int) -> None:
    wick, at = wicked(opened(side), side)
    price = D(str(BEYOND[side]))
    turned = instruction(
        ENDS[side], quantity=D(100 + more), leverage=D(10), entry=price, stop=None, target=None, limit_price=None
    )
    after = submitted(wick, turned, at, other(), decision="dec-2", seconds=2, **RULES).book
    paid = fee(D(more), price, D(10))
    assert after.positions[SYMBOL].position.margin == more * price / 10
    assert after.insolvency == 1_000 + fee(D(100), price, D(10))
    assert available(after) == 8_500 - more * price / 10 - paid


def test_an_order_that_waited_turns_around_with_all_that_is_free() -> None:
    """What the old position lost beyond its margin is not asked of the new one."""
    turned = instruction("buy", quantity=D(800), leverage=D(10), entry=D(100), stop=None, target=None)
    waiting = submitted(opened("short"), turned, quote(100), decision="dec-2", seconds=61, **RULES)
    after = ticked(waiting, quote(120, seconds=62), other(), **RULES).book
    assert (after.positions[SYMBOL].position.side, after.positions[SYMBOL].position.margin) == ("long", D(8_400))
    assert available(after) == 8_500 - 8_400 - fee(D(700), D(120), D(10))


def reopened(mode: MarginMode, margin: int) -> AccountBook:
    """A position of before the boundary is gone, and another one of the symbol is there."""
    levels: dict[str, Any] = {"leverage": D(10), "entry": D(100), "stop": None, "target": None}
    rules = {**RULES, "taker_fee_bps": D(0)}
    held = replace(book(), margin_mode=mode)
    held = submitted(held, instruction(quantity=D(100), **levels), quote(100), **rules).book
    gone = submitted(
        held, closing_instruction(quantity=D(100)), quote(100, seconds=20), decision="dec-2", seconds=20, **rules
    ).book
    again = instruction(quantity=D(margin) / 10, **levels)
    return submitted(gone, again, quote(100, seconds=30), decision="dec-3", seconds=30, **rules).book


def told_late(held: AccountBook, rate: float, mark: float, *, price: float = 100) -> AccountBook:
    update = FundingUpdate(symbol=SYMBOL, funding_time=NOW + timedelta(seconds=10), rate=rate, mark_price=price)
    return fund(Turn(held), update, market(quote(mark, seconds=40), seconds=40, **RULES)).book


@pytest.mark.parametrize(
    ("rate", "wallet", "borne"),
    [(0.05, "9500", "0"), (0.1, "9000", "0"), (0.2, "9000", "1000"), (1, "9000", "9000"), (-0.2, "12000", "0")],
    ids=["within what is free", "all that is free", "more than is free", "more than there is", "it gets some"],
)
def test_late_funding_of_a_position_that_is_gone_leaves_its_successors_margin(
    rate: float, wallet: str, borne: str
) -> None:
    held = reopened("isolated", 9_000)
    after = told_late(held, rate, 100)
    assert (after.wallet, after.insolvency) == (D(wallet), D(borne))
    assert after.positions[SYMBOL].position == held.positions[SYMBOL].position
    assert after.closed_trades[0].pnl == after.wallet - 10_000


def test_with_cross_margin_the_successors_profit_pays_late_funding_before_the_venue_does() -> None:
    after = told_late(reopened("cross", 6_000), 1, 120, price=200)
    assert (after.insolvency, after.positions) == (D(0), {})
    assert after.wallet == 10_000 - 20_000 + 600 * 20 - fee(D(600), D(120), D(10))
