"""Half-Kelly from the strategy's own closed trades, and sizing by the longest timeframe's volatility."""

from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.risk.sizing import kelly_share
from tests.unit.risk.samples import account, facts, limits, one, reasons, row, strategy, venue

FREE = venue(maker_fee_bps="0", taker_fee_bps="0")
WON, LOST = D("0.02"), D("-0.01")


def sized(returns: tuple[D, ...], *, named: str = "test", **plan: Any) -> Any:
    bounds = limits(strategy(position_sizing="kelly", **plan), FREE)
    asked = row(allocation_usd=5_000, leverage=10)
    return one(asked, held=account(returns={named: returns}), bounds=bounds)


@pytest.mark.parametrize(
    ("returns", "share"),
    [
        pytest.param((WON,) * 15 + (LOST,) * 15, "0.25", id="half won, twice the loss"),
        pytest.param((WON,) * 10 + (LOST,) * 20, "0", id="no edge"),
        pytest.param((WON,) * 3 + (LOST,) * 27, "-0.35", id="a negative edge"),
        pytest.param((WON,) * 30, "1", id="every trade won"),
        pytest.param((LOST,) * 30, "0", id="every trade lost"),
        pytest.param((D(0),) * 30, "0", id="nothing won or lost"),
        pytest.param((WON,) * 20 + (D(0),) * 10, str(D(2) / 3), id="no loss, some even"),
        pytest.param((WON, WON, D(0), LOST), "0.25", id="an even trade is not won"),
        pytest.param((D("0.01"), D("0.03"), LOST, LOST), "0.25", id="wins by their mean"),
    ],
)
def test_kellys_share(returns: tuple[D, ...], share: str) -> None:
    assert kelly_share(returns) == pytest.approx(D(share))


@given(st.lists(st.decimals(-1, 1, places=4), min_size=1, max_size=60))
def test_kellys_share_is_at_most_what_was_won(returns: list[D]) -> None:
    won = D(sum(each > 0 for each in returns)) / len(returns)
    assert kelly_share(returns) <= won <= 1


def test_half_of_kellys_share_is_put_at_risk() -> None:
    # W 0.35, R 2: f* = 0.025; half of it on 10 000 is 125, which 2 a unit lose at the stop: 62.5.
    returns = (D("0.02"),) * 35 + (D("-0.01"),) * 65
    verdict = sized(returns)
    assert verdict.final.quantity == D("62.5")
    assert reasons(verdict) == ["sized"]


def test_kelly_never_exceeds_the_risk_per_trade() -> None:
    assert sized((WON,) * 30, max_risk_per_trade=1).final.quantity == 50


def test_kelly_without_an_edge_takes_nothing() -> None:
    assert reasons(sized((LOST,) * 20 + (WON,) * 10)) == ["nothing_left"]


@pytest.mark.parametrize(
    ("returns", "named"),
    [((LOST,) * 29, "test"), ((LOST,) * 40, "another"), ((), "test")],
    ids=["29", "another's", "none"],
)
def test_kelly_is_percentage_below_thirty_trades_of_the_strategy(returns: tuple[D, ...], named: str) -> None:
    assert sized(returns, named=named, margin_pct=1).final.margin == 100


@pytest.mark.parametrize(
    ("longest", "interval", "stop", "quantity"),
    [
        pytest.param(2.0, 0.5, 2.0, "125", id="2 x ATR of the longest timeframe"),
        pytest.param(0.5, 3.0, 2.0, "250", id="the default stop where it is wider, whatever the interval's ATR"),
        pytest.param(None, 2.0, 2.0, "125", id="the interval's ATR where the longest has none"),
        pytest.param(None, None, 2.0, "250", id="no ATR at all"),
        pytest.param(None, None, 0.0, "250", id="neither: the entry's own stop, 2 away"),
    ],
)
def test_volatility_sizing(longest: float | None, interval: float | None, stop: float, quantity: str) -> None:
    plan = strategy(position_sizing="volatility_adjusted", stop_loss_percentage=stop)
    market = facts(long_atr_percent=longest, atr_percent=interval)
    verdict = one(row(allocation_usd=9_000, leverage=10), market=market, bounds=limits(plan, FREE))
    assert verdict.final is not None
    assert verdict.final.quantity == D(quantity)


def test_receipts_tell_what_was_asked_sized_and_final() -> None:
    plan = strategy(position_sizing="fixed", fixed_margin_usd=50, max_exposure_pct=2)
    verdict = one(row(), bounds=limits(plan, FREE))
    sizes = [(receipt.rule, receipt.before, receipt.after) for receipt in verdict.receipts]
    assert sizes == [("sizing", D(500), D(250)), ("exposure", D(250), D(200))]
    assert verdict.final is not None
    assert verdict.final.notional == 200


def test_a_request_that_no_method_cuts_is_told_as_well() -> None:
    receipt = one(row()).receipts[0]
    assert (receipt.rule, receipt.effect, receipt.before, receipt.after) == ("sizing", "note", D(500), D(500))
    assert receipt.message == "percentage sizing allows as much"


def test_without_a_margin_percentage_few_trades_are_sized_by_volatility() -> None:
    verdict = one(
        row(allocation_usd=9_000, leverage=10), bounds=limits(strategy(position_sizing="kelly", margin_pct=None), FREE)
    )
    assert verdict.final is not None
    assert verdict.final.quantity == 250
