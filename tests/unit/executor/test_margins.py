"""Margin never exceeds the wallet: an order is asked for what it will really take."""

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from libs.perps.fees import fee
from services.executor.domain.book import AccountBook, available
from services.executor.domain.changes import OrderChange, Turn
from tests.fakes.executor_values import SYMBOL, book, instruction, quote
from tests.unit.executor.paper import submitted, ticked

PLAIN: dict[str, Any] = {"half_spread_bps": D(0), "slippage_bps": D(0), "min_notional": D(1), "tick_size": D("0.01")}


def entry(quantity: str, price: str, leverage: int, **over: Any) -> Any:
    return instruction(quantity=D(quantity), leverage=D(leverage), entry=D(price), stop=None, target=None, **over)


def limit(quantity: str, price: str, leverage: int) -> Any:
    return entry(quantity, price, leverage, type="limit", time_in_force="gtc", limit_price=D(price))


def refusals(turn: Turn) -> list[str]:
    return [str(c.reason) for c in turn.changes if isinstance(c, OrderChange) and c.kind in ("rejected", "canceled")]


@pytest.mark.parametrize(
    ("quantity", "leverage", "over", "seen", "passes"),
    [
        ("98.6", 1, {"slippage_bps": D(130)}, {}, False),
        ("97.3", 1, {"slippage_bps": D(130)}, {}, True),
        ("300", 3, {"impact_bps": D(20)}, {"span_volume": 30.0}, False),
        ("290", 3, {"impact_bps": D(20)}, {"span_volume": 30.0}, True),
        ("99.96", 1, {"taker_fee_bps": D(40), "maker_fee_bps": D(2)}, {}, False),
        ("99.6", 1, {"taker_fee_bps": D(40), "maker_fee_bps": D(2)}, {}, True),
        ("900", 10, {"slippage_bps": D(300)}, {}, False),
    ],
    ids=["V6: slippage", "room for it", "impact", "room for the impact", "the fee", "room for the fee", "wick"],
)
def test_a_market_order_is_asked_for_its_slippage_its_impact_and_its_fee(
    quantity: str, leverage: int, over: dict[str, Any], seen: dict[str, Any], passes: bool
) -> None:
    turn = submitted(book(), entry(quantity, "100", leverage), quote(100, **seen), **{**PLAIN, **over})
    assert refusals(turn) == ([] if passes else ["insufficient_margin"])
    assert available(turn.book) >= 0
    assert (SYMBOL in turn.book.positions) is passes


def held(leverage: int, quantity: str = "100", wallet: str = "10006") -> AccountBook:
    start = replace(book(), wallet=D(wallet))
    return submitted(start, entry(quantity, "100", leverage), quote(100), **PLAIN).book


@pytest.mark.parametrize(
    ("first", "second", "quantity", "passes"),
    [(2, 10, "150", False), (2, 10, "99", True), (1, 20, "1", False), (5, 1, "350", True), (5, 1, "400", False)],
    ids=["V7: it would take half, not a tenth", "within it", "nothing is left", "it has more leverage", "not for all"],
)
@pytest.mark.parametrize("kind", ["market", "limit"])
def test_cost_is_reckoned_at_the_leverage_that_will_be_used(
    first: int, second: int, quantity: str, passes: bool, kind: str
) -> None:
    before = held(first)
    final = entry(quantity, "100", second) if kind == "market" else limit(quantity, "99.9", second)
    turn = submitted(before, final, quote(100), decision="dec-2", **PLAIN)
    assert refusals(turn) == ([] if passes else ["insufficient_margin"])
    after = ticked(turn, quote(99.8, seconds=1), **PLAIN).book
    assert available(after) >= 0
    assert after.positions[SYMBOL].position.quantity == 100 + (D(quantity) if passes else 0)


@pytest.mark.parametrize("price", [100.0, 99.5, 90.0, 61.0, 30.0])
def test_what_rested_is_not_filled_by_money_that_is_gone(price: float) -> None:
    """Two rungs of other leverages wait while the account is flat: the first one sets the leverage of both."""
    start = submitted(book(), limit("300", "99.9", 4), quote(100), **PLAIN)
    both = submitted(start.book, limit("240", "99.8", 10), quote(100), decision="dec-2", **PLAIN)
    assert len(both.book.orders) == 2
    assert available(both.book) >= 0
    after = ticked(both, quote(price, seconds=1), **PLAIN).book
    assert available(after) >= 0
    margins = sum((h.position.margin for h in after.positions.values()), D(0))
    assert margins <= after.wallet


@pytest.mark.parametrize(
    ("quantity", "price"), [("10", "98"), ("50", "97.5"), ("100", "99"), ("7", "60"), ("333", "99.99")]
)
def test_a_resting_order_holds_back_its_fee_too(quantity: str, price: str) -> None:
    turn = submitted(book(), limit(quantity, price, 5), quote(100), **{**PLAIN, "price_band_pct": D(90)})
    cost = D(quantity) * D(price)
    assert available(turn.book) == 10_000 - cost / 5 - fee(D(quantity), D(price), D(5))


def test_what_cannot_be_paid_when_a_waiting_order_meets_the_market_is_taken_away() -> None:
    turn = submitted(book(), entry("99", "100", 1), quote(100), seconds=61, **PLAIN)
    after = ticked(turn, quote(103, seconds=62), **PLAIN)
    assert refusals(after) == ["insufficient_margin"]
    assert after.book.wallet == 10_000
    assert not after.book.exposed
