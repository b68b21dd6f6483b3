"""Sizing and the caps, each by itself."""

from decimal import Decimal as D
from typing import Any

import pytest

from libs.schemas.decision import AssetDecision
from tests.unit.risk.samples import (
    BTC,
    ETH,
    SOL,
    account,
    facts,
    judged,
    limits,
    one,
    position,
    reasons,
    row,
    strategy,
    venue,
    without,
)


@pytest.mark.parametrize(
    ("asked", "plan", "quantity", "said"),
    [
        pytest.param(row(), {}, "5", [], id="what was asked fits"),
        pytest.param(row(allocation_usd=5_000), {}, "100", ["sized"], id="percentage: 20 % of equity as margin"),
        pytest.param(
            row(allocation_usd=5_000),
            {"position_sizing": "fixed", "fixed_margin_usd": 300},
            "15",
            ["sized"],
            id="fixed: 300 of margin",
        ),
        pytest.param(
            row(allocation_usd=5_000),
            {"position_sizing": "volatility_adjusted", "max_risk_per_trade": 1, "take_profit_ratio": None},
            "47.64",  # 100 at risk over 2 % would be 50; the caps then take the fees off
            ["sized", "risk_clamped"],
            id="volatility: the default stop is wider than 2 ATR",
        ),
        pytest.param(
            row(allocation_usd=5_000),
            {"position_sizing": "volatility_adjusted", "max_risk_per_trade": 1, "stop_loss_percentage": 1},
            "47.64",
            ["sized", "risk_clamped"],
            id="volatility: 2 ATR is wider than the default stop",
        ),
        pytest.param(row(allocation_usd=5_000), {"position_sizing": "kelly"}, "100", ["sized"], id="kelly: percentage"),
    ],
)
def test_sizing(asked: AssetDecision, plan: dict[str, Any], quantity: str, said: list[str]) -> None:
    verdict = one(asked, bounds=limits(strategy(**plan)))
    assert verdict.final is not None
    assert verdict.final.quantity == D(quantity)
    assert reasons(verdict) == said
    assert verdict.verdict == ("clamped" if said else "accepted")


def test_volatility_sizing_divides_the_risk_budget_by_twice_the_atr() -> None:
    plan = strategy(position_sizing="volatility_adjusted", max_risk_per_trade=1)
    final = one(row(allocation_usd=5_000), bounds=limits(plan), market=facts(atr_percent=5)).final
    assert final is not None
    assert final.quantity == 10


def test_an_instruction_is_whole() -> None:
    final = one(row()).final
    assert final is not None
    assert (final.side, final.leverage) == ("buy", D(5))
    assert (final.quantity, final.notional, final.margin) == (D(5), D(500), D(100))
    assert (final.type, final.time_in_force, final.limit_price, final.entry) == ("market", "ioc", None, D(100))
    assert (final.stop, final.target, final.reduce_only) == (D(98), D(110), False)
    assert final.exit_plan == "stop or target"


@pytest.mark.parametrize(
    ("asked", "limit"),
    [
        pytest.param(row(), "99.95", id="long at the bid"),
        pytest.param(row(limit_price=99.437), "99.43", id="long below the bid"),
        pytest.param(row(limit_price=105), "99.95", id="long never beyond the bid"),
        pytest.param(row(action="sell"), "100.05", id="short at the ask"),
        pytest.param(row(action="sell", limit_price=100.431), "100.44", id="short above the ask"),
    ],
)
def test_maker_orders_rest_on_the_passive_side(asked: AssetDecision, limit: str) -> None:
    market = facts(bid=99.95, ask=100.05)
    for preference in ("maker_only", "maker_preferred"):
        final = one(asked, bounds=limits(strategy(order_preference=preference)), market=market).final
        assert final is not None
        assert (final.type, final.time_in_force) == ("limit", "post_only")
        assert final.limit_price == final.entry == D(limit)


def test_a_maker_order_rests_at_the_last_price_where_there_is_no_book() -> None:
    plan = limits(strategy(order_preference="maker_only"))
    final = one(row(), bounds=plan, market=facts(bid=None, ask=None, last=99.99)).final
    assert final is not None
    assert final.limit_price == D("99.99")


def test_a_market_order_expects_the_far_side_of_the_book_and_slippage() -> None:
    listed = venue(half_spread_bps="2", slippage_bps="10")
    with_book = one(row(), bounds=limits(listed=listed), market=facts(bid=99.9, ask=100.1)).final
    bare = one(row(action="sell"), bounds=limits(listed=listed), market=facts(bid=None, ask=None)).final
    assert with_book is not None
    assert bare is not None
    assert (with_book.entry, bare.entry) == (D("100.21"), D("99.88"))


@pytest.mark.parametrize(
    ("asked", "bounds", "held", "notional", "reason"),
    [
        pytest.param(
            row(), limits(strategy(max_risk_per_trade=0.05)), account(), "238", "risk_clamped", id="risk: 5 at the stop"
        ),
        pytest.param(row(), limits(size=300), account(), "300", "position_size_clamped", id="position size"),
        pytest.param(
            row(),
            limits(size=1_200),
            account(position(stop=None)),
            "200",
            "position_size_clamped",
            id="position size counts what is open",
        ),
        pytest.param(
            row(), limits(size=300), account(resting={BTC: D(250)}), "50", "position_size_clamped", id="and what rests"
        ),
        pytest.param(row(), limits(strategy(max_exposure_pct=3)), account(), "300", "exposure_clamped", id="exposure"),
        pytest.param(
            row(),
            limits(strategy(max_exposure_pct=12)),
            account(position(ETH)),
            "200",
            "exposure_clamped",
            id="exposure counts other assets",
        ),
        pytest.param(
            row(),
            limits(strategy(max_exposure_pct=10, max_asset_share_pct=30)),
            account(),
            "300",
            "concentration_clamped",
            id="one asset's share",
        ),
        pytest.param(
            row(), limits(), account(available=D("40.2")), "200", "margin_clamped", id="margin leaves room for the fee"
        ),
        pytest.param(
            row(),
            limits(listed=venue(max_quantity="3")),
            account(),
            "300",
            "position_size_clamped",
            id="the venue's size",
        ),
    ],
)
def test_a_cap_cuts_the_size(asked: AssetDecision, bounds: Any, held: Any, notional: str, reason: str) -> None:
    verdict = one(asked, bounds=bounds, held=held)
    assert verdict.final is not None
    assert verdict.final.notional == D(notional)
    assert (verdict.verdict, reasons(verdict)) == ("clamped", [reason])
    cut = next(receipt for receipt in verdict.receipts if receipt.reason == reason)
    assert isinstance(cut.before, D)
    assert isinstance(cut.after, D)
    assert cut.before == 500 > cut.after >= verdict.final.notional


@pytest.mark.parametrize(
    ("bounds", "held"),
    [
        pytest.param(limits(strategy(max_exposure_pct=10)), account(position(ETH)), id="exposure used up"),
        pytest.param(limits(), account(available=D(0)), id="no margin"),
        pytest.param(limits(), account(available=D(-5)), id="less than no margin"),
        pytest.param(limits(size=1_000), account(position(stop=None)), id="position full"),
        pytest.param(limits(strategy(max_risk_per_trade=0)), account(), id="no risk"),
    ],
)
def test_nothing_left_of_a_limit_denies(bounds: Any, held: Any) -> None:
    assert reasons(one(row(), bounds=bounds, held=held)) == ["nothing_left"]


def test_risk_counts_the_whole_resulting_position() -> None:
    # 10 open, 2 to the stop and about .1 of fees a unit: 20.5 + n × 2.1 within 50.
    verdict = one(row(), held=account(position(stop="98")), bounds=limits(strategy(max_risk_per_trade=0.3)))
    assert verdict.final is not None
    assert verdict.final.quantity == D("4.53")


def test_ten_times_leverage_beyond_the_free_margin_is_cut_to_it() -> None:
    held = account(available=D(150))
    verdict = one(row(allocation_usd=1_500, leverage=10), held=held)
    assert verdict.final is not None
    assert verdict.final.margin is not None
    assert verdict.final.margin <= 150
    assert reasons(verdict) == ["margin_clamped"]


def test_entries_share_what_is_available_by_confidence() -> None:
    held = account(available=D(150))
    judgement = judged(row(BTC, confidence=60), row(ETH, confidence=80), held=held)
    first, second = judgement.verdicts[1].final, judgement.verdicts[0].final
    assert first is not None
    assert second is not None
    assert first.margin == 100
    assert second.margin is not None
    assert second.margin < 50
    assert judgement.status == "accepted"


def test_a_close_frees_its_margin_less_its_loss_for_an_entry() -> None:
    held = account(position(ETH, entry="110", stop=None), available=D(0))
    verdict = one(row(allocation_usd=300), row(ETH, "close_position"), held=held)
    assert verdict.final is not None
    assert verdict.final.margin is not None
    assert D(118) < verdict.final.margin < 120


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        pytest.param(venue(min_notional="501"), row(), id="below the minimum notional"),
        pytest.param(venue(lot_size="10"), row(), id="below one lot"),
        pytest.param(venue(lot_size="3", min_notional="400"), row(), id="below the minimum once cut to the lot"),
    ],
)
def test_what_is_too_small_for_the_venue_is_denied(listed: Any, asked: AssetDecision) -> None:
    assert reasons(one(asked, bounds=limits(listed=listed))) == ["below_minimum"]


def test_other_symbols_without_a_price_count_at_their_entry() -> None:
    held = account(position(SOL, quantity="10", entry="50"))
    verdict = one(row(), held=held, bounds=limits(strategy(max_exposure_pct=8)), market=without(SOL))
    assert verdict.final is not None
    assert verdict.final.notional == 300


def test_margin_covers_the_loss_that_an_order_above_the_mark_opens_with() -> None:
    held = account(available=D("40.2"))
    final = one(row(sl_price=97), held=held, market=facts(mark=99)).final
    assert final is not None
    assert final.quantity == D("1.90")  # 20 of margin, 1 of open loss, .05 of fee a unit


def test_selling_at_market_expects_the_bid() -> None:
    final = one(row(action="sell"), market=facts(bid=99.9, ask=100.1)).final
    assert final is not None
    assert final.entry == D("99.9")
