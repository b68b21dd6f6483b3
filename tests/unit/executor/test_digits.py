"""Realised money is proceeds less cost, to the last digit, and numbers are written as people write them."""

import json
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from libs.perps.entry import average
from libs.perps.steps import at_price
from libs.schemas.account import AccountState
from libs.schemas.orders import Fill
from services.executor.adapters.documents import document
from services.executor.domain.book import AccountBook, new_book
from services.executor.domain.changes import OrderChange, seal
from services.executor.domain.performance import performance
from services.executor.domain.state import account_state
from tests import builders
from tests.fakes.executor_values import NOW, SYMBOL, account, closing_instruction, filters, instruction, market, quote
from tests.unit.executor.paper import submitted

Part = tuple[str, str]  # quantity, price
FREE: dict[str, Any] = {
    "half_spread_bps": D(0),
    "slippage_bps": D(0),
    "taker_fee_bps": D(0),
    "min_notional": D(0),
    "max_quantity": D("1e15"),
}


def rich() -> AccountBook:
    return new_book(account(initial_balance=D(1_000_000)), performance((), D(1_000_000)), NOW)


def after(side: str, parts: list[Part], closes: list[Part], tick: str, lot: str) -> AccountBook:
    held, rules = rich(), {**FREE, "tick_size": D(tick), "lot_size": D(lot)}
    for n, (quantity, price) in enumerate((*parts, *closes)):
        opens = n < len(parts)
        if opens:
            final = instruction(side, quantity=D(quantity), leverage=D(1), entry=D(price), stop=None, target=None)
        else:
            final = closing_instruction(
                "sell" if side == "buy" else "buy", action="adjust_position", quantity=D(quantity)
            )
        turn = submitted(held, final, quote(float(price), seconds=n), seconds=n, decision=f"d-{n}", **rules)
        assert [c for c in turn.changes if isinstance(c, OrderChange) and c.fill], turn.changes
        held = turn.book
    return held


@pytest.mark.parametrize(
    ("side", "parts", "closes", "tick", "lot"),
    [
        ("buy", [("700000000", ".00001"), ("300000000", ".00001111")], [("1000000000", ".00001037")], "1e-8", "1"),
        ("buy", [("700000000", "1e-8"), ("299999999", "1.1e-8")], [("999999999", "4.3e-8")], "1e-10", "1"),
        ("sell", [("3", "2.3517"), ("7.7", "2.3519"), ("0.1", "2.3521")], [("10.8", "2.2001")], "0.0001", "0.1"),
        (
            "buy",
            [("0.003", "96012.3"), ("0.007", "95999.9")],
            [("0.001", "97000.1"), ("0.009", "1000.7")],
            "0.1",
            ".001",
        ),
        ("sell", [("1", "3"), ("1", "3"), ("1", "4")], [("1", "5"), ("1", "2"), ("1", "6")], "1", "1"),
        (
            "buy",
            [("333333", ".00123457"), ("777777", ".00123461")],
            [("1", ".00125"), ("1111109", ".0011")],
            "1e-8",
            "1",
        ),
    ],
    ids=["V8: in parts around 1e-5", "V9: a coin at 1e-8", "XRP", "BTC in parts", "thirds", "PEPE in May 2023"],
)
def test_realised_is_proceeds_less_cost(side: str, parts: list[Part], closes: list[Part], tick: str, lot: str) -> None:
    held = after(side, parts, closes, tick, lot)
    cost, proceeds = (sum((D(q) * D(p) for q, p in rows), D(0)) for rows in (parts, closes))
    right = (proceeds - cost if side == "buy" else cost - proceeds).quantize(D("1e-8"))
    assert held.positions == {}
    assert held.realised_total == right
    assert held.wallet == 1_000_000 + right
    (trade,) = held.closed_trades
    assert trade.pnl == right
    assert abs(trade.entry_price * trade.quantity - cost) <= cost * D("1e-15")


def test_an_average_is_derived_in_as_many_digits_as_its_size_asks_for() -> None:
    assert average(D("10033.333333333"), D("1000000000")) == D("0.000010033333333333")
    assert average(D(1), D(3)) == D("0.3333333333333333")
    assert average(D(100_000), D(3)) == D("33333.333333333333")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2.5E-9", "0.0000000025"),
        ("0E-18", "0"),
        ("-0.000", "0"),
        ("1.5E+6", "1500000"),
        ("-3.3E-11", "-0.000000000033"),
        ("7.10", "7.10"),
    ],
)
def test_numbers_in_json_are_plain(value: str, text: str) -> None:
    fill = Fill(
        fill_id="f", price=D("1e-8"), quantity=D("1E+9"), fee=D(value), liquidity="taker", realized_pnl=D(value)
    )
    written = json.loads(fill.model_dump_json())
    assert (written["fee"], written["realized_pnl"]) == (text, text)
    assert (written["price"], written["quantity"]) == ("0.00000001", "1000000000")
    assert Fill.model_validate(written) == fill


def test_no_document_event_or_state_holds_an_exponent() -> None:
    coin = {**FREE, "tick_size": D("1e-10"), "taker_fee_bps": D(1)}
    final = instruction(quantity=D("1E+3"), leverage=D(1), entry=D("1e-8"), stop=D("5e-9"), target=D("9e-8"))
    turn = submitted(rich(), final, quote(1e-8), **coin)
    sealed, events = seal(turn, NOW)
    texts = [event.body.model_dump_json() for event in events]
    texts += [account_state(sealed, None).model_dump_json(), json.dumps(document(sealed, 1), default=str)]
    for text in texts:
        for word in ("E-", "E+", "e-8", "e-9"):
            assert word not in text, text
    assert AccountState.model_validate_json(texts[-2]).positions == account_state(sealed, None).positions


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        ("0.00001", "1e-9"),
        ("0.00000001", "1e-12"),
        ("0.0004321", "1e-8"),
        ("0.00999", "1e-7"),
        ("0.5", "0.0001"),
        ("61000", "0.0001"),
    ],
    ids=["V10: a coin at 1e-5", "V9: at 1e-8", "at 4e-4", "at a hundred ticks", "fine enough", "dear"],
)
def test_a_tick_is_never_coarse_for_its_price(price: str, tick: str) -> None:
    rules = at_price(builders.venue("PEPEUSDT", tick_size=D("0.0001"), max_quantity=D(1_000_000)), D(price))
    assert rules.tick_size == D(tick)
    assert rules.max_quantity * D(price) >= 5 * rules.min_notional
    turn = submitted(
        replace(rich()),
        instruction(quantity=D(1_000_000), leverage=D(1), entry=D(price), stop=None, target=None),
        quote(float(price)),
        **{**FREE, "tick_size": rules.tick_size},
    )
    bought = [c.fill for c in turn.changes if isinstance(c, OrderChange) and c.fill]
    if bought and bought[0]:
        assert bought[0].price == D(price)
    assert market(quote(float(price))).rules[SYMBOL].filters == filters()
