"""Entries are judged at the price that the venue will charge for all of them."""

from decimal import Decimal as D
from typing import Any

import pytest

from libs.perps.fees import fee
from libs.perps.slippage import Depth, worst_taker
from libs.risk.values import SizedOrder
from tests.unit.risk.samples import BTC, account, facts, limits, one, reasons, row, seen, strategy, venue

THIN: dict[str, Any] = {"minute_volume": 2.0}


def paid(order: SizedOrder, seen_volume: float | None, size: float | None = None) -> D:
    depth = Depth(D(100), None if size is None else D(str(size)), None if seen_volume is None else D(str(seen_volume)))
    return worst_taker(depth, D(100), order.side, venue(), order.quantity or D(0))


@pytest.mark.parametrize("action", ["buy", "sell"])
@pytest.mark.parametrize(
    ("market", "volume", "size"),
    [
        ({"minute_volume": 1_000_000.0}, 1_000_000.0, None),
        ({"minute_volume": 400.0}, 400.0, None),
        ({"minute_volume": 25.0}, 25.0, None),
        ({"minute_volume": 0.05}, 0.05, None),
        ({"minute_volume": 0.0}, 0.0, None),
        ({"minute_volume": 25.0, "ask_size": 8.0, "bid_size": 8.0}, 25.0, 8.0),
        ({}, None, None),
    ],
    ids=["deep", "four hundred", "thin", "LUNA in May 2022: hardly a trade", "dead", "with a touch", "V2: unknown"],
)
def test_the_fill_is_never_worse_than_the_price_that_was_judged(
    action: Any, market: dict[str, Any], volume: float | None, size: float | None
) -> None:
    s = 1 if action == "buy" else -1
    levels = {"sl_price": 100 - s * 15, "tp_price": 100 + s * 80, "allocation_usd": 5_000}
    order = one(row(BTC, action, **levels), market=facts({BTC: seen(**market)})).final
    assert order is not None
    assert order.entry is not None
    assert order.stop is not None
    assert order.quantity
    met = paid(order, volume, size)
    assert s * (order.entry - met) >= 0
    at_risk = order.quantity * abs(met - order.stop) + fee(order.quantity, met + order.stop, D(5))
    assert at_risk <= 500 * D("1.000001"), "5 % of 10 000, impact and fees included"
    margin = order.quantity * met / order.leverage + fee(order.quantity, met, D(5))
    assert margin <= 10_000


def test_an_order_that_would_move_the_market_beyond_its_target_is_denied() -> None:
    asked, bounds = row(allocation_usd=5_000, sl_price=97, tp_price=100.7), limits(strategy(take_profit_ratio=None))
    assert one(asked, market=facts({BTC: seen(minute_volume=1_000_000.0)}), bounds=bounds).final is not None
    thin = one(asked, market=facts({BTC: seen(minute_volume=0.4)}), bounds=bounds)
    assert thin.final is None
    assert "target_wrong_side" in reasons(thin)


def test_what_is_thin_is_bought_smaller() -> None:
    asked = row(allocation_usd=5_000, sl_price=97, tp_price=150)
    sizes = [one(asked, market=facts({BTC: seen(minute_volume=v)})).final for v in (1e6, 300.0, 20.0, 1.0)]
    quantities = [order.quantity or D(0) for order in sizes if order is not None]
    assert quantities == sorted(quantities, reverse=True)
    assert len(set(quantities)) == len(quantities) == 4


def test_a_resting_entry_is_priced_at_its_limit_whatever_the_market_can_take() -> None:
    order = one(row(), market=facts({BTC: seen(**THIN)}), bounds=limits(strategy(order_preference="maker_only"))).final
    assert order is not None
    assert order.entry == 100


def test_the_available_balance_bears_the_impact() -> None:
    """V6: a wallet that is just enough at the ask."""
    plan = strategy(max_risk_per_trade=100, max_daily_loss=100, stop_loss_percentage=10, margin_pct=100)
    held = account(available=D(1_000))
    order = one(
        row(allocation_usd=1_000, leverage=2, sl_price=80, tp_price=190),
        market=facts({BTC: seen(minute_volume=20.0)}),
        held=held,
        bounds=limits(plan),
    ).final
    assert order is not None
    assert order.quantity
    met = paid(order, 20.0)
    assert met > 100
    cost = order.quantity * met / order.leverage + order.quantity * (met - 100) + fee(order.quantity, met, D(5))
    assert D(990) < cost <= 1_000
