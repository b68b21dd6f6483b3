"""Who is a taker and who a maker, and in which order our own orders fill."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from services.executor.domain import paper
from services.executor.domain.bands import ALWAYS, band
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.quote import Quote
from tests.fakes.executor_values import NOW, SYMBOL, book, filters, instruction, market, quote
from tests.unit.executor.paper import fills, kinds, submitted, ticked

Fill = tuple[str, str]


def resting(side: str, limit: str, *, placed: Quote, seconds: float, post_only: bool = False, **rules: Any) -> Turn:
    final = instruction(
        side,
        quantity=D(10),
        leverage=D(5),
        entry=D(limit),
        type="limit",
        time_in_force="post_only" if post_only else "gtc",
        limit_price=D(limit),
        stop=None,
        target=None,
    )
    return submitted(book(), final, placed, seconds=seconds, **{"half_spread_bps": D(0), "slippage_bps": D(0), **rules})


def made(turn: Turn) -> list[Fill]:
    """Price and liquidity of what was filled."""
    return [(f"{c.fill.price:f}", c.fill.liquidity) for c in turn.changes if isinstance(c, OrderChange) and c.fill]


STALE = 61.0


@pytest.mark.parametrize(
    ("side", "limit", "tick", "expected", "stale"),
    [
        ("buy", "103.5", {"price": 101}, [("101.0", "taker")], 105),
        ("sell", "96", {"price": 100}, [("100.0", "taker")], 105),
        ("buy", "104", {"price": 103, "bid": 99.9, "ask": 100.1}, [("100.1", "taker")], 105),
        ("sell", "96", {"price": 97, "bid": 98.4, "ask": 98.6}, [("98.4", "taker")], 105),
        ("buy", "101.5", {"price": 101.5}, [("101.5", "taker")], 105),
        ("buy", "99", {"price": 100}, [], 105),
        ("buy", "99", {"price": 98, "bid": 99.5, "ask": 99.6}, [], 105),
        ("buy", "317.5", {"price": 224.4}, [("224.4", "taker")], 317.8),
        ("sell", "10", {"price": 5.2}, [], 17.5),
    ],
    ids=[
        "V4: far above the market",
        "a sell far below it",
        "by the ask, not by the last trade",
        "by the bid",
        "at the touch",
        "below the market: it rests",
        "the last trade is of before, the book is above",
        "ETH at GDAX, 21 June 2017: 317.81, and 224 a moment later",
        "LUNA, 11 May 2022: a sell above a market that has fallen",
    ],
)
@pytest.mark.parametrize("latency", [0, 400])
def test_an_order_that_matches_on_arrival_is_a_taker_at_the_books_price(
    side: str, limit: str, tick: dict[str, Any], expected: list[Fill], stale: float, latency: int
) -> None:
    turn = resting(side, limit, placed=quote(stale), seconds=STALE, price_band_pct=D(50), latency_ms=latency)
    assert kinds(turn) == ["entry.placed"]
    rules: dict[str, Any] = {"half_spread_bps": D(0), "slippage_bps": D(0), "latency_ms": latency}
    assert band(turn.book, SYMBOL, filters(**rules)) == ALWAYS, "the very next tick shows what it meets"
    after = ticked(turn, quote(seconds=STALE + 1, **tick), **rules)
    assert made(after) == expected
    assert bool(after.book.orders) == (not expected)


def test_a_post_only_order_on_a_stale_quote_is_refused_when_it_would_match() -> None:
    turn = resting("buy", "104", placed=quote(105), seconds=STALE, post_only=True)
    after = ticked(turn, quote(100, seconds=STALE + 1))
    assert [c.reason for c in after.changes if isinstance(c, OrderChange)] == ["would_match"]
    assert not after.book.orders


@pytest.mark.parametrize(
    ("ticks", "filled"),
    [
        ([{"price": 98.0}], 0),
        ([{"price": 98.0, "size": 0.0}], 0),
        ([{"price": 97.0}], 1),
        ([{"price": 98.0, "size": 50.0}], 1),
        ([{"price": 98.0}, {"price": 98.0}, {"price": 98.0}], 0),
        ([{"price": 98.0, "size": 4.0}, {"price": 98.0}, {"price": 98.0}], 1),
        ([{"price": 98.0, "size": 4.0}, {"price": 98.0}, {"price": 98.0, "size": 6.0}], 2),
        ([{"price": 99.0, "size": 50.0}], 0),
        ([{"price": 12.5, "size": 0.3, "mark_price": 98.0}, {"price": 12.5, "mark_price": 98.0}], 1),
    ],
    ids=[
        "the last price again: no trade",
        "nothing traded",
        "another price: it traded",
        "a trade of the same price",
        "M9: quiet ticks, told over and over",
        "one trade, then quiet ticks",
        "two trades with a quiet tick between them",
        "a trade at the limit, not through it",
        "Bitcoin at Binance.US, 21 October 2021: one trade at an eighth, then quiet",
    ],
)
def test_nothing_fills_as_maker_without_a_trade_through_it(ticks: list[dict[str, Any]], filled: int) -> None:
    """The book stands above the limit while the last trade, of before the order, was below it."""
    above: dict[str, Any] = {"bid": 99.5, "ask": 99.6}
    turn = resting("buy", "99", placed=quote(98, **above), seconds=0)
    count = 0
    for n, seen in enumerate(ticks, start=1):
        turn = ticked(
            turn,
            quote(seen["price"], seconds=n, sequence=n, **above, **{k: v for k, v in seen.items() if k != "price"}),
        )
        count += len(made(turn))
        assert all(fill == ("99", "maker") for fill in made(turn))
    assert count == filled


@pytest.mark.parametrize(
    ("side", "limits", "volume", "expected"),
    [
        ("buy", ["97", "99", "98"], 10, [("99", "10")]),
        ("buy", ["97", "99", "98"], 25, [("99", "10"), ("98", "10"), ("97", "5")]),
        ("buy", ["98", "98", "98"], 12, [("98", "10"), ("98", "2")]),
        ("sell", ["103", "101", "102"], 15, [("101", "10"), ("102", "5")]),
        ("sell", ["101", "103", "101"], 30, [("101", "10"), ("101", "10"), ("103", "10")]),
    ],
    ids=["the best price alone", "down the prices", "one price: the oldest first", "up the prices", "price, then time"],
)
def test_our_own_orders_fill_in_the_order_of_price_then_of_time(
    side: str, limits: list[str], volume: float, expected: list[Fill]
) -> None:
    held, at = book(), market(quote(100), lot_size=D(1))
    turn = Turn(held)
    for n, limit in enumerate(limits):
        one = resting(side, limit, placed=quote(100), seconds=0, lot_size=D(1))
        (order,) = one.book.orders.values()
        intent = order.intent.model_copy(update={"client_order_id": f"{n:032x}", "origin": f"dec-{n}", "state": "new"})
        placed = replace(order, intent=intent, created_at=NOW + timedelta(milliseconds=n))
        turn = paper.submit(turn, placed, at)
    through = quote(90 if side == "buy" else 110, seconds=1, size=volume)
    after = paper.on_tick(Turn(turn.book), through, market(through, seconds=1, lot_size=D(1)))
    assert [(price, f"{D(quantity).normalize():f}") for price, quantity in fills(after)] == expected
    ids = [c.intent.client_order_id for c in after.changes if isinstance(c, OrderChange) and c.fill]
    if len(set(limits)) == 1:
        assert ids == sorted(ids)
