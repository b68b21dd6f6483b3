"""Stops, targets and drift."""

from decimal import Decimal as D

import pytest

from libs.schemas.decision import Action, AssetDecision
from tests.unit.risk.samples import (
    account,
    facts,
    increase,
    limits,
    one,
    position,
    reasons,
    row,
    strategy,
    venue,
)


@pytest.mark.parametrize(("action", "stop"), [("buy", "98.00"), ("sell", "102.00")])
def test_an_entry_without_a_stop_gets_the_strategys(action: Action, stop: str) -> None:
    verdict = one(row(action=action, sl_price=None))
    assert verdict.final is not None
    assert verdict.final.stop == D(stop)
    assert (verdict.verdict, reasons(verdict)) == ("clamped", ["stop_defaulted"])


def test_an_entry_without_any_stop_is_denied() -> None:
    verdict = one(row(sl_price=None), bounds=limits(strategy(stop_loss_percentage=0)))
    assert reasons(verdict) == ["stop_missing"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        pytest.param(row(sl_price=101), "stop_wrong_side", id="long stop above"),
        pytest.param(row(sl_price=100), "stop_wrong_side", id="long stop at the price"),
        pytest.param(row(tp_price=99), "target_wrong_side", id="long target below"),
        pytest.param(row(action="sell", sl_price=99), "stop_wrong_side", id="short stop below"),
        pytest.param(row(action="sell", tp_price=101), "target_wrong_side", id="short target above"),
        pytest.param(row(tp_price=103), "reward_too_small", id="reward of 1.4 times the risk"),
        pytest.param(row(tp_price=104.2), "reward_too_small", id="twice before fees only"),
    ],
)
def test_prices_that_make_no_sense_are_denied(asked: AssetDecision, reason: str) -> None:
    assert reasons(one(asked)) == [reason]


def test_a_stop_between_mark_and_last_price_would_fire_at_once() -> None:
    assert reasons(one(row(sl_price=98), market=facts(mark=97.5))) == ["stop_wrong_side"]


def test_the_reward_is_net_of_fees() -> None:
    # Risk 2 + .05 + .049 = 2.099; reward needs 4.198 + .05 + 5 bps of the target.
    assert one(row(tp_price=104.31)).verdict == "accepted"
    assert reasons(one(row(tp_price=104.29))) == ["reward_too_small"]
    assert one(row(tp_price=100.5), bounds=limits(strategy(take_profit_ratio=None))).verdict == "accepted"


@pytest.mark.parametrize(("action", "target"), [("buy", "104.31"), ("sell", "95.70")])
def test_the_default_target_is_the_first_tick_that_gives_the_ratio_net_of_fees(action: Action, target: str) -> None:
    verdict = one(row(action=action, tp_price=None))
    assert verdict.final is not None
    assert verdict.final.target == D(target)
    assert reasons(verdict) == ["target_defaulted"]


def test_the_default_target_may_be_a_percentage_or_none() -> None:
    by_percent = one(row(tp_price=None), bounds=limits(strategy(take_profit_ratio=None, take_profit_pct=3)))
    assert by_percent.final is not None
    assert by_percent.final.target == 103
    without = one(row(tp_price=None), bounds=limits(strategy(take_profit_ratio=None)))
    assert without.final is not None
    assert without.final.target is None


def test_a_short_whose_target_would_lie_below_zero_is_denied() -> None:
    asked = row(action="sell", sl_price=149, tp_price=None, leverage=1)
    assert reasons(one(asked, bounds=limits(strategy(take_profit_ratio=3)))) == ["reward_too_small"]


def test_stop_and_target_are_rounded_towards_the_price() -> None:
    final = one(row(sl_price=97.123, tp_price=110.129), bounds=limits(listed=venue(tick_size="0.5"))).final
    assert final is not None
    assert (final.stop, final.target) == (D("97.5"), D("110.0"))


@pytest.mark.parametrize(
    ("mark", "atr", "stop", "passes"),
    [
        pytest.param(100.05, 0.01, 98, True, id="the floor of 0.05 %"),
        pytest.param(100.06, 0.01, 98, False, id="beyond the floor"),
        pytest.param(100.49, 1, 97, True, id="half the ATR"),
        pytest.param(100.51, 1, 97, False, id="beyond half the ATR"),
        pytest.param(100.49, 5, 98, True, id="a quarter of the stop's distance"),
        pytest.param(100.51, 5, 98, False, id="beyond a quarter of the stop's distance"),
        pytest.param(99.49, 5, 98, False, id="the other way"),
        pytest.param(100.49, None, 98, True, id="no ATR known"),
    ],
)
def test_an_entry_does_not_chase_a_market_that_has_moved(
    mark: float, atr: float | None, stop: float, passes: bool
) -> None:
    verdict = one(row(sl_price=stop), market=facts(mark=mark, atr_percent=atr), proposed=facts())
    assert reasons(verdict) == ([] if passes else ["price_drift"])


def test_adding_keeps_the_positions_stop_and_target() -> None:
    final = one(increase(), held=account(position(stop="97", target="108"))).final
    assert final is not None
    assert (final.stop, final.target, final.side) == (D(97), D(108), "buy")


def test_adding_may_tighten_the_stop_but_not_loosen_it() -> None:
    held = account(position(stop="97"))
    assert reasons(one(increase(new_sl_price=96.5), held=held)) == ["stop_moved_away"]
    tighter = one(increase(new_sl_price=98), held=held)
    assert tighter.final is not None
    assert tighter.final.stop == 98


@pytest.mark.parametrize(("mark", "limit", "stop"), [(100, 100, 100), (99, 100, 99), (100, 98, 98)])
def test_a_stop_at_the_entry_or_at_the_mark_is_on_the_wrong_side(mark: float, limit: float, stop: float) -> None:
    bounds = limits(strategy(order_preference="maker_only"))
    verdict = one(row(limit_price=limit, sl_price=stop), market=facts(mark=mark), bounds=bounds)
    assert reasons(verdict) == ["stop_wrong_side"]
