"""The newest tick of a symbol."""

from typing import Any

import pytest

from libs.risk.marks import after_tick, shown_mark
from libs.schemas.market import MarketTick
from tests.fakes.decider_contexts import asset
from tests.fakes.validator_values import seconds, tick


@pytest.mark.parametrize(
    ("prices", "mark"),
    [
        ({}, 100.0),
        ({"index_price": 101.0}, 101.0),
        ({"index_price": 101.0, "mark_price": 102.0}, 102.0),
    ],
    ids=["price", "index before price", "mark before index"],
)
def test_the_mark_is_the_best_that_a_tick_has(prices: dict[str, Any], mark: float) -> None:
    found = after_tick(None, tick(price=100, **prices))
    assert found is not None
    assert (found.mark, found.last) == (mark, 100.0)


@pytest.mark.parametrize(
    ("prices", "mark"),
    [
        ({"mark_price": None, "index_price": None}, 100.0),
        ({"mark_price": None, "index_price": 101.0}, 101.0),
        ({"mark_price": 102.0, "index_price": 101.0}, 102.0),
    ],
    ids=["price", "index before price", "mark before index"],
)
def test_the_mark_that_a_context_shows_is_found_by_the_same_rule(prices: dict[str, Any], mark: float) -> None:
    assert shown_mark(asset("BTCUSDT", current_price=100.0, **prices)) == mark


def test_a_late_tick_changes_nothing() -> None:
    newest = after_tick(None, tick(price=100, after=10))
    assert after_tick(newest, tick(price=90, after=9)) is newest
    replaced = after_tick(newest, tick(price=90, after=10))
    assert replaced is not None and replaced.last == 90


def test_a_tick_without_time_changes_nothing() -> None:
    assert after_tick(None, MarketTick(symbol="BTCUSDT", price=1)) is None


def test_funding_is_kept_until_a_tick_brings_another() -> None:
    first = after_tick(None, tick(funding_rate=0.0001, next_funding_time=seconds(100)))
    second = after_tick(first, tick(after=3, bid=99, ask=101))
    assert second is not None
    assert (second.funding_rate, second.next_funding_time) == (0.0001, seconds(100))
    assert (second.bid, second.ask) == (99, 101)
    third = after_tick(second, tick(after=4, funding_rate=-0.0002, next_funding_time=seconds(200)))
    assert third is not None
    assert (third.funding_rate, third.next_funding_time, third.bid) == (-0.0002, seconds(200), None)
