"""Leverage: the smallest of all limits, fixed while a position is open, and never such that a stop comes too late."""

from decimal import Decimal as D
from typing import Any

import pytest

from libs.schemas.decision import AssetDecision
from libs.schemas.venue import MarginTier
from tests.unit.risk.samples import account, increase, limits, one, position, reasons, row, strategy, venue

TIERED = venue(
    tiers=(
        MarginTier(floor=D(0), mmr=D(".004"), max_leverage=D(100)),
        MarginTier(floor=D(1_000), mmr=D(".01"), max_leverage=D(10)),
        MarginTier(floor=D(5_000), mmr=D(".02"), max_leverage=D(4)),
    )
)


@pytest.mark.parametrize(
    ("asked", "bounds", "leverage", "said"),
    [
        pytest.param(row(leverage=5), limits(), 5, [], id="as asked"),
        pytest.param(row(leverage=50), limits(strategy(max_leverage=8)), 8, ["leverage_clamped"], id="the strategy's"),
        pytest.param(row(leverage=50), limits(leverage=6), 6, ["leverage_clamped"], id="the account's"),
        pytest.param(row(leverage=None), limits(leverage=6), 6, [], id="the account's default"),
        pytest.param(
            row(leverage=None), limits(strategy(max_leverage=3)), 3, [], id="the default within the strategy's limit"
        ),
        pytest.param(
            row(leverage=20, allocation_usd=100), limits(listed=TIERED), 10, ["leverage_clamped"], id="the venue tier's"
        ),
    ],
)
def test_leverage_is_the_smallest_of_all_limits(
    asked: AssetDecision, bounds: Any, leverage: int, said: list[str]
) -> None:
    verdict = one(asked, bounds=bounds)
    assert verdict.final is not None
    assert verdict.final.leverage == leverage
    assert reasons(verdict) == said
    assert verdict.final.margin is not None
    assert verdict.final.margin <= 100


def test_leverage_stays_while_a_position_is_open() -> None:
    verdict = one(row(leverage=10), held=account(position(leverage="4")))
    assert verdict.final is not None
    assert verdict.final.leverage == 4
    assert reasons(verdict) == ["leverage_fixed"]


def test_an_addition_stays_below_the_tier_that_forbids_the_open_leverage() -> None:
    held = account(position(quantity="5", leverage="20", stop="98"))
    verdict = one(increase(amount=100), held=held, bounds=limits(listed=TIERED))
    assert verdict.final is not None
    assert verdict.final.quantity == D("4.99")
    assert reasons(verdict) == ["leverage_fixed"]


def test_leverage_falls_until_the_stop_lies_well_before_liquidation() -> None:
    verdict = one(row(leverage=20, sl_price=90, tp_price=150))
    assert verdict.final is not None
    # 10 to the stop needs 11.76 to liquidation: 500 × (.1176 + .004 × .8824) of margin.
    assert verdict.final.leverage == 8
    assert reasons(verdict) == ["liquidation_too_near"]


def test_a_stop_beyond_any_liquidation_is_denied() -> None:
    verdict = one(
        row(action="sell", sl_price=195, tp_price=1, leverage=1), bounds=limits(strategy(take_profit_ratio=None))
    )
    assert reasons(verdict) == ["liquidation_too_near"]


def test_an_addition_that_would_be_liquidated_before_its_stop_is_denied() -> None:
    held = account(position(leverage="20", stop="80"))
    assert reasons(one(increase(), held=held)) == ["reward_too_small"]
    free = limits(strategy(take_profit_ratio=None, max_risk_per_trade=8))
    assert reasons(one(increase(), held=held, bounds=free)) == ["liquidation_too_near"]
    assert one(increase(new_sl_price=97), held=held, bounds=free).verdict == "accepted"


def test_liquidation_is_reckoned_in_the_tier_of_its_notional() -> None:
    steep = venue(
        tiers=(
            MarginTier(floor=D(0), mmr=D(".004"), max_leverage=D(100)),
            MarginTier(floor=D(100), mmr=D(".1"), max_leverage=D(100)),
        )
    )
    verdict = one(row(leverage=20, sl_price=90, tp_price=150), bounds=limits(listed=steep))
    assert verdict.final is not None
    # 2 000 asked ÷ (235.29 to liquidation + 1 764.71 × .1 − 9.6 of maintenance margin): 4.97.
    assert verdict.final.leverage == 4


def test_less_leverage_takes_no_more_margin_than_fixed_sizing_allows() -> None:
    plan = strategy(position_sizing="fixed", fixed_margin_usd=100)
    final = one(row(allocation_usd=900, leverage=20, sl_price=90, tp_price=150), bounds=limits(plan)).final
    assert final is not None
    assert (final.leverage, final.margin) == (D(8), D(100))
