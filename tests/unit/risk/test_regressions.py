"""The classic failures of trading bots that let a model's answer near an account: one test each, by name."""

from datetime import timedelta
from decimal import Decimal as D
from math import inf, nan

import pytest
from pydantic import ValidationError

from libs.risk import AccountView, Verdict, account_view
from libs.schemas.strategy import Ladder
from tests import builders
from tests.unit.risk.samples import (
    BTC,
    ETH,
    NOW,
    SOL,
    XRP,
    account,
    decrease,
    facts,
    increase,
    judged,
    limits,
    one,
    orders,
    position,
    reasons,
    row,
    seen,
    strategy,
    venue,
)


def test_a_bad_target_on_one_asset_leaves_an_urgent_close_of_another_alone() -> None:
    bad, close = judged(row(BTC, tp_price=90), row(ETH, "close_position"), held=account(position(ETH))).verdicts
    assert reasons(bad) == ["target_wrong_side"]
    assert (close.verdict, close.receipts) == ("accepted", ())
    assert close.final is not None
    assert close.final.quantity == 10


def test_a_sum_that_is_off_by_two_cents_is_no_reason() -> None:
    judgement = judged(row(), row(ETH), total=200.02)
    assert judgement.portfolio == ()
    assert [verdict.verdict for verdict in judgement.verdicts] == ["accepted", "accepted"]


def test_adding_a_million_dollars_is_cut_to_what_the_limits_leave() -> None:
    verdict = one(increase(amount=1_000_000), held=account(position()))
    assert verdict.verdict == "clamped"
    assert verdict.final is not None
    assert verdict.final.margin is not None
    assert verdict.final.margin <= D(2_000)  # 20 % of equity, by the strategy's own sizing
    assert reasons(verdict)[0] == "sized"


def test_taking_a_million_dollars_off_closes_what_is_open() -> None:
    verdict = one(decrease(amount=1_000_000), held=account(position()))
    assert verdict.final is not None
    assert (verdict.final.quantity, verdict.final.reduce_only) == (D(10), True)
    assert reasons(verdict) == ["capped_at_position"]


def test_a_stop_moved_away_is_denied_and_the_open_one_stays() -> None:
    verdict = one(orders(adjust_sl=True, new_sl_price=90), held=account(position(stop="95")))
    assert (verdict.verdict, reasons(verdict)) == ("denied", ["stop_moved_away"])
    assert (verdict.receipts[0].before, verdict.receipts[0].after) == (D(90), D(95))


def test_a_stop_cancelled_is_denied() -> None:
    assert reasons(one(orders(cancel_sl=True), held=account(position()))) == ["stop_cancelled"]


def test_buying_and_selling_one_asset_does_neither() -> None:
    bought, sold, other = judged(row(BTC), row(BTC, "sell"), row(ETH)).verdicts
    assert reasons(bought) == reasons(sold) == ["duplicate_entry"]
    assert other.verdict == "accepted"


@pytest.mark.parametrize("price", [inf, -inf, nan, 1e300, 0, -5])
def test_a_target_that_is_no_price_never_becomes_a_decision(price: float) -> None:
    with pytest.raises(ValidationError):
        row(tp_price=price)


@pytest.mark.parametrize(("target", "passes"), [(200, True), (200.01, False), (1_100, False), (1e11, False)])
def test_a_target_beyond_reason_buys_no_reward(target: float, passes: bool) -> None:
    assert reasons(one(row(tp_price=target))) == ([] if passes else ["target_absurd"])


def test_an_absurd_target_of_an_open_position_is_dropped() -> None:
    held = account(position(target="120"))
    assert reasons(one(orders(adjust_tp=True, new_tp_price=1e9), held=held)) == ["target_absurd"]
    both = one(orders(adjust_tp=True, new_tp_price=1e9, adjust_sl=True, new_sl_price=97), held=held)
    assert both.final is not None
    assert (both.final.stop, both.final.target) == (D(97), None)


def test_an_entry_without_a_stop_gets_one_or_is_denied() -> None:
    given = one(row(sl_price=None))
    assert given.final is not None
    assert given.final.stop == 98
    assert reasons(given) == ["stop_defaulted"]
    assert reasons(one(row(sl_price=None), bounds=limits(strategy(stop_loss_percentage=0)))) == ["stop_missing"]


@pytest.mark.parametrize(("equity", "denied"), [(9_200.01, False), (9_200, True), (5_000, True)])
def test_a_breached_daily_loss_lets_nothing_in_and_everything_out(equity: float, denied: bool) -> None:
    held = account(position(ETH), equity=D(str(equity)))
    entry, close = judged(row(BTC), row(ETH, "close_position"), held=held).verdicts
    assert reasons(entry) == (["daily_loss"] if denied else [])
    assert close.verdict == "accepted"


def test_prices_of_three_days_ago_let_nothing_in_and_everything_out() -> None:
    old = seen(age_seconds=3 * 86_400, stale=True)
    held, market = account(position(ETH)), facts({BTC: old, ETH: old})
    entry, close = judged(row(BTC), row(ETH, "close_position"), market=market, held=held).verdicts
    assert reasons(entry) == ["stale_asset"]
    assert "259200 s old" in entry.receipts[0].message
    assert close.verdict == "accepted"


def test_no_indicators_let_nothing_in() -> None:
    assert reasons(one(row(), market=facts(has_indicators=False))) == ["no_indicators"]
    assert reasons(one(row(), proposed=facts(has_indicators=False))) == ["no_indicators"]


def test_an_unknown_asset_is_denied_and_the_others_are_not() -> None:
    unknown, known = judged(row("DOGEUSDT"), row(BTC)).verdicts
    assert reasons(unknown) == ["unknown_asset"]
    assert known.verdict == "accepted"


def test_closes_pass_with_more_positions_than_allowed() -> None:
    held = account(*(position(symbol) for symbol in (BTC, ETH, SOL, XRP)))
    closes = (row(symbol, "close_position") for symbol in held.positions)
    judgement = judged(*closes, held=held, bounds=limits(strategy(max_positions=1)))
    assert [verdict.verdict for verdict in judgement.verdicts] == ["accepted"] * 4


def test_ten_times_leverage_with_a_notional_above_the_free_margin_is_sized_by_its_margin() -> None:
    verdict = one(row(allocation_usd=100, leverage=10), held=account(available=D(150)))
    assert verdict.final is not None
    assert (verdict.verdict, verdict.final.notional, verdict.final.margin) == ("accepted", D(1_000), D(100))


LADDER = limits(
    strategy(
        order_preference="maker_only",
        position_sizing="fixed",
        fixed_margin_usd=100,
        ladder=Ladder(rungs=5, step_pct=0.5),
        cooldown_period=900,
        max_leverage=1,
        stop_loss_percentage=6,
        take_profit_ratio=None,
        take_profit_pct=3,
    ),
)
RUNG = row(allocation_usd=500, leverage=None, sl_price=None, tp_price=None)


def _after(filled_at: int | None, rests: bool) -> AccountView:
    """An account whose ladder was placed at NOW; `filled_at` is when the newest filled rung was placed, in s."""
    rung = builders.open_order(BTC, price=D(98), created_at=NOW)
    stored = builders.state(
        "main",
        open_orders=(rung,) if rests else (),
        last_entry_at={} if filled_at is None else {BTC: NOW + timedelta(seconds=filled_at)},
        as_of=NOW,
    )
    return account_view(stored, LADDER.account, {})


def _ladder(seconds: int, filled_at: int | None, rests: bool) -> Verdict:
    now = NOW + timedelta(seconds=seconds)
    held = _after(filled_at, rests)
    return one(RUNG, held=held, bounds=LADDER, now=now, expires_at=now + timedelta(seconds=30))


def test_a_ladder_is_one_entry_with_one_risk() -> None:
    verdict = one(RUNG, bounds=LADDER)
    assert verdict.final is not None
    assert [price for price, _ in verdict.final.rungs] == [D("100"), D("99.5"), D("99"), D("98.5"), D("98")]
    assert len({quantity for _, quantity in verdict.final.rungs}) == 1
    assert verdict.final.entry == 99


@pytest.mark.parametrize(
    ("seconds", "filled_at", "rests", "denied"),
    [
        pytest.param(60, None, True, True, id="its rungs rest since a minute"),
        pytest.param(899, 0, True, True, id="a rung has filled, the wait is not over"),
        pytest.param(901, 0, True, False, id="a late fill of a rung restarts nothing"),
        pytest.param(60, None, False, False, id="one that never filled and is gone was no entry"),
    ],
)
def test_a_ladder_with_cooldown_waits_from_its_placing(
    seconds: int, filled_at: int | None, rests: bool, denied: bool
) -> None:
    assert ("cooldown" in reasons(_ladder(seconds, filled_at, rests))) is denied


def test_a_target_below_the_ratio_after_fees_is_denied() -> None:
    # 4 of gain for 2 of loss is a ratio of 2 only while nobody charges for it.
    free = limits(listed=venue(maker_fee_bps="0", taker_fee_bps="0"))
    assert reasons(one(row(tp_price=104), bounds=free)) == []
    verdict = one(row(tp_price=104))
    assert reasons(verdict) == ["reward_too_small"]
    assert "net of fees" in verdict.receipts[-1].message


@pytest.mark.parametrize("equity", [0, -250])
def test_an_account_without_money_still_exits(equity: int) -> None:
    held = account(position(BTC), position(ETH), position(SOL), equity=D(equity), available=D(equity - 600))
    asked = (row(BTC, "close_position"), decrease(ETH, 50), orders(SOL, adjust_sl=True, new_sl_price=97), row(XRP))
    *exits, entry = judged(*asked, held=held).verdicts
    assert [verdict.verdict for verdict in exits] == ["accepted"] * 3
    assert entry.verdict == "denied"
