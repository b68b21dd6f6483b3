"""Closes, decreases and moved protection."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from libs.risk import SizedOrder
from libs.schemas.account import PositionSide
from libs.schemas.decision import AssetDecision
from tests.unit.risk.samples import (
    BTC,
    ETH,
    LATER,
    account,
    decrease,
    facts,
    judged,
    limits,
    one,
    orders,
    position,
    reasons,
    row,
    strategy,
    venue,
    without,
)

CLOSE = row(action="close_position")


def test_a_close_takes_the_whole_position_at_market() -> None:
    final = one(CLOSE, held=account(position(quantity="3.333", side="short", stop="105", target="80"))).final
    assert final is not None
    assert (final.side, final.quantity, final.reduce_only) == ("buy", D("3.333"), True)
    assert (final.type, final.time_in_force, final.limit_price) == ("market", "ioc", None)
    assert (final.notional, final.leverage, final.entry) == (D("333.3"), D(5), D(100))


@pytest.mark.parametrize(
    "asked", [CLOSE, decrease(), orders(adjust_sl=True, new_sl_price=97)], ids=lambda row: row.action
)
@pytest.mark.parametrize(
    "context",
    [
        pytest.param({"held": {"trading_state": "halted"}}, id="halted"),
        pytest.param({"held": {"trading_state": "reducing"}}, id="reducing"),
        pytest.param({"held": {"status": "paused"}}, id="paused"),
        pytest.param({"held": {"status": "stopped"}}, id="stopped"),
        pytest.param({"held": {"equity": D(1), "available": D(-50)}}, id="nothing left"),
        pytest.param({"now": LATER + timedelta(hours=1)}, id="expired"),
        pytest.param({"market": without(BTC)}, id="no price"),
        pytest.param({"market": facts(stale=True, has_indicators=False)}, id="stale"),
        pytest.param({"proposed": facts(mark=50)}, id="drifted"),
        pytest.param({"bounds": limits(strategy(max_risk_per_trade=0, max_daily_loss=0))}, id="no risk allowed"),
        pytest.param({"bounds": limits(listed=venue(min_notional="1000000"))}, id="below the minimum"),
    ],
)
def test_no_limit_halt_or_expiry_denies_an_exit(asked: AssetDecision, context: dict[str, Any]) -> None:
    held = account(position(), **context.get("held", {}))
    assert one(asked, **(context | {"held": held})).verdict == "accepted"


@pytest.mark.parametrize(
    ("amount", "quantity", "said"),
    [
        pytest.param(100, "5", [], id="half"),
        pytest.param(50.03, "2.5", [], id="cut to the lot"),
        pytest.param(0.01, "0.01", [], id="less than a lot frees one lot"),
        pytest.param(200, "10", [], id="all"),
        pytest.param(5_000, "10", ["capped_at_position"], id="more than is open"),
    ],
)
def test_a_decrease_frees_its_share_of_the_margin(amount: float, quantity: str, said: list[str]) -> None:
    verdict = one(decrease(amount=amount), held=account(position()))
    assert verdict.final is not None
    assert verdict.final.quantity == D(quantity)
    assert verdict.final.side == "sell"
    assert reasons(verdict) == said


@pytest.mark.parametrize(
    ("side", "stop", "price", "reason"),
    [
        pytest.param("long", "95", 97, None, id="long nearer"),
        pytest.param("long", "95", 95, None, id="long same"),
        pytest.param("long", None, 50, None, id="long first stop"),
        pytest.param("long", "95", 94.99, "stop_moved_away", id="long away"),
        pytest.param("long", "95", 100, "stop_wrong_side", id="long at the mark"),
        pytest.param("long", "95", 101, "stop_wrong_side", id="long beyond the mark"),
        pytest.param("short", "105", 103, None, id="short nearer"),
        pytest.param("short", "105", 105.01, "stop_moved_away", id="short away"),
        pytest.param("short", "105", 99, "stop_wrong_side", id="short beyond the mark"),
    ],
)
def test_a_stop_moves_only_to_the_safe_side(
    side: PositionSide, stop: str | None, price: float, reason: str | None
) -> None:
    held = account(position(side=side, stop=stop, target=None))
    verdict = one(orders(adjust_sl=True, new_sl_price=price), held=held)
    assert reasons(verdict) == ([] if reason is None else [reason])
    assert (verdict.final is None) == (reason is not None)
    if verdict.final is not None:
        assert verdict.final.stop == D(str(price))
        assert (verdict.final.quantity, verdict.final.type, verdict.final.reduce_only) == (None, None, True)


@pytest.mark.parametrize(
    ("side", "price", "passes"),
    [("long", 130, True), ("long", 101, True), ("long", 99, False), ("short", 80, True), ("short", 100, False)],
)
def test_a_target_lies_ahead_of_the_mark(side: PositionSide, price: float, passes: bool) -> None:
    verdict = one(orders(adjust_tp=True, new_tp_price=price), held=account(position(side=side, stop=None, target=None)))
    assert (verdict.verdict == "accepted") is passes
    assert reasons(verdict) == ([] if passes else ["target_wrong_side"])


def test_a_stop_is_not_cancelled_without_a_replacement() -> None:
    held = account(position())
    assert reasons(one(orders(cancel_sl=True), held=held)) == ["stop_cancelled"]
    replaced = one(orders(cancel_sl=True, new_sl_price=98), held=held)
    assert replaced.final is not None
    assert replaced.final.stop == 98


def test_a_target_may_be_cancelled() -> None:
    final = one(orders(cancel_tp=True), held=account(position())).final
    assert final is not None
    assert (final.cancel_target, final.target) == (True, None)


def test_a_bad_leg_is_dropped_and_the_safe_one_stays() -> None:
    asked = orders(adjust_sl=True, new_sl_price=97, adjust_tp=True, new_tp_price=90)
    verdict = one(asked, held=account(position()))
    assert (verdict.verdict, reasons(verdict)) == ("clamped", ["target_wrong_side"])
    assert verdict.final is not None
    assert (verdict.final.stop, verdict.final.target) == (D(97), None)


def test_two_bad_legs_deny_the_row() -> None:
    asked = orders(adjust_sl=True, new_sl_price=90, adjust_tp=True, new_tp_price=90)
    verdict = one(asked, held=account(position()))
    assert (verdict.verdict, reasons(verdict)) == ("denied", ["stop_moved_away", "target_wrong_side"])


def test_a_decrease_goes_on_without_its_bad_stop() -> None:
    verdict = one(decrease(new_sl_price=80, new_tp_price=125), held=account(position()))
    assert verdict.final is not None
    assert (verdict.final.quantity, verdict.final.stop, verdict.final.target) == (D(5), None, D(125))
    assert reasons(verdict) == ["stop_moved_away"]


def test_prices_are_rounded_to_the_tick_towards_safety() -> None:
    held = account(position(stop=None, target=None))
    final = one(orders(adjust_sl=True, new_sl_price=97.013, adjust_tp=True, new_tp_price=130.019), held=held).final
    assert final is not None
    assert (final.stop, final.target) == (D("97.02"), D("130.01"))


def test_what_a_close_leaves_to_the_other_rows_of_its_asset_is_nothing() -> None:
    judgement = judged(decrease(), CLOSE, orders(cancel_tp=True), increase_of(BTC), held=account(position()))
    assert [verdict.verdict for verdict in judgement.verdicts] == ["denied", "accepted", "denied", "denied"]
    assert {reason for index in (0, 2, 3) for reason in reasons(judgement.verdicts[index])} == {"superseded"}


def test_a_second_decrease_takes_what_the_first_left() -> None:
    judgement = judged(decrease(amount=150), decrease(amount=150), held=account(position()))
    quantities = [verdict.final.quantity for verdict in judgement.verdicts if verdict.final]
    assert quantities == [D("7.5"), D("2.5")]


def test_a_bad_target_on_one_asset_does_not_hold_up_an_urgent_close_of_another() -> None:
    judgement = judged(row(BTC, tp_price=90), row(ETH, "close_position"), held=account(position(ETH)))
    assert reasons(judgement.verdicts[0]) == ["target_wrong_side"]
    assert judgement.verdicts[1].verdict == "accepted"
    assert judgement.status == "partial"


def increase_of(asset: str) -> AssetDecision:
    return row(
        asset, "adjust_position", position_adjustment={"adjustment_type": "increase", "adjustment_amount_usd": 10}
    )


def test_a_decrease_is_ordered_whole() -> None:
    asked = decrease(amount=100, new_sl_price=97, new_tp_price=115)
    final = one(asked.model_copy(update={"invalidation": "below 90"}), held=account(position())).final
    assert final == SizedOrder(
        asset=BTC, action="adjust_position", side="sell", leverage=D(5), quantity=D(5), notional=D(500), margin=D(100),
        type="market", time_in_force="ioc", entry=D(100), stop=D(97), target=D(115), reduce_only=True,
        exit_plan="stop or target", invalidation="below 90",
    )  # fmt: skip


def test_moved_protection_trades_nothing() -> None:
    final = one(orders(adjust_sl=True, new_sl_price=97, cancel_tp=True), held=account(position())).final
    assert final == SizedOrder(
        asset=BTC, action="adjust_orders", side="sell", leverage=D(5), stop=D(97), cancel_target=True, reduce_only=True,
        exit_plan="stop or target",
    )  # fmt: skip


def test_a_close_without_a_market_names_no_price() -> None:
    final = one(row(action="close_position"), held=account(position()), market=without(BTC)).final
    assert final is not None
    assert (final.entry, final.notional) == (None, D(1_000))


def test_a_second_close_of_an_asset_says_that_it_is_closed_already() -> None:
    second = judged(row(action="close_position"), row(action="close_position"), held=account(position())).verdicts[1]
    assert [(r.rule, r.message) for r in second.receipts] == [
        ("position_open", "BTCUSDT is closed by another row already")
    ]


def test_what_a_close_frees_is_less_its_fee() -> None:
    # 200 of margin, .5 of fee; an entry at 5x costs 20.05 a unit.
    asked = row(ETH, allocation_usd=1_000, sl_price=98)
    verdict = one(asked, row(BTC, "close_position"), held=account(position(BTC), available=D(0)))
    assert verdict.final is not None
    assert verdict.final.quantity == D("9.95")
