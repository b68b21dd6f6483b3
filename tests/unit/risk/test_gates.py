"""What keeps an entry out before it is sized."""

from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from libs.risk import Resting
from libs.schemas.account import PositionSide
from libs.schemas.decision import Action
from tests.unit.risk.samples import (
    BTC,
    ETH,
    LATER,
    NOW,
    SOL,
    XRP,
    account,
    facts,
    increase,
    judged,
    limits,
    one,
    position,
    reasons,
    row,
    strategy,
    without,
)


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        pytest.param({"held": account(status="paused")}, "account_paused", id="paused"),
        pytest.param({"held": account(status="stopped")}, "account_stopped", id="stopped"),
        pytest.param({"held": account(trading_state="halted")}, "trading_halted", id="halted"),
        pytest.param({"held": account(trading_state="reducing")}, "trading_reducing", id="reducing"),
        pytest.param({"now": LATER}, "decision_expired", id="expired"),
        pytest.param({"market": without(BTC)}, "no_price", id="no price"),
        pytest.param({"proposed": without(BTC)}, "no_price", id="no price at the decision"),
        pytest.param({"market": facts(stale=True)}, "stale_asset", id="stale"),
        pytest.param({"proposed": facts(stale=True)}, "stale_asset", id="stale at the decision"),
        pytest.param({"market": facts(has_indicators=False)}, "no_indicators", id="no indicators"),
        pytest.param(
            {"held": account(last_entry_at={BTC: NOW - timedelta(seconds=299)})}, "cooldown", id="entered just now"
        ),
        pytest.param({"held": account(equity=D(9_200))}, "daily_loss", id="lost the day's limit"),
        pytest.param({"held": account(transfers=D(800))}, "daily_loss", id="lost what was paid in"),
        pytest.param({"market": facts(funding_rate=0.00101)}, "funding_adverse", id="funding too dear"),
        pytest.param(
            {"market": facts(funding_rate=0.0006, next_funding_time=NOW + timedelta(minutes=5))},
            "funding_near",
            id="dear funding is due",
        ),
        pytest.param(
            {
                "market": facts(funding_rate=-0.0006, next_funding_time=NOW + timedelta(minutes=9)),
                "bounds": limits(strategy(funding_blackout_min=10)),
            },
            "funding_near",
            id="blackout",
        ),
    ],
)
def test_an_entry_is_kept_out(context: dict[str, Any], reason: str) -> None:
    verdict = one(row(), **context)
    assert (verdict.verdict, reasons(verdict)) == ("denied", [reason])


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({"now": LATER - timedelta(microseconds=1)}, id="just before it expires"),
        pytest.param({"held": account(last_entry_at={BTC: NOW - timedelta(seconds=300)})}, id="cooled down"),
        pytest.param({"held": account(last_entry_at={ETH: NOW})}, id="cooldown of another asset"),
        pytest.param({"held": account(equity=D("9200.01"))}, id="just within the day's loss"),
        pytest.param({"held": account(equity=D(9_000), transfers=D(-900))}, id="withdrawals are no loss"),
        pytest.param({"market": facts(funding_rate=0.001)}, id="funding at the limit"),
        pytest.param({"market": facts(funding_rate=-0.01)}, id="funding that pays"),
        pytest.param(
            {"market": facts(funding_rate=0.0006, next_funding_time=NOW + timedelta(minutes=6))}, id="funding is far"
        ),
    ],
)
def test_an_entry_gets_in(context: dict[str, Any]) -> None:
    assert one(row(), **context).verdict == "accepted"


@pytest.mark.parametrize(("side", "action"), [("long", "sell"), ("short", "buy")])
def test_nothing_flips_without_a_close(side: PositionSide, action: Action) -> None:
    held = account(position(side=side, stop=None))
    assert reasons(one(row(action=action), held=held)) == ["opposite_side"]
    flipped = judged(row(action=action), row(action="close_position"), held=held)
    assert [verdict.verdict for verdict in flipped.verdicts] == ["accepted", "accepted"]


def test_the_most_confident_entries_get_the_places_that_are_left() -> None:
    judgement = judged(
        row(BTC, confidence=50), row(ETH, confidence=90), row(SOL, confidence=60), held=account(position(XRP))
    )
    assert [verdict.verdict for verdict in judgement.verdicts] == ["denied", "accepted", "accepted"]
    assert reasons(judgement.verdicts[0]) == ["max_positions"]


def test_resting_entries_hold_a_place_and_open_symbols_need_none() -> None:
    held = account(position(XRP), position(ETH), resting={SOL: D(100)})
    assert reasons(one(row(BTC), held=held)) == ["max_positions"]
    assert one(row(SOL), held=held).verdict == "accepted"
    assert one(increase(ETH), held=held).verdict == "accepted"


def test_a_close_makes_room_for_an_entry_of_the_same_decision() -> None:
    held = account(position(XRP), position(ETH), position(SOL))
    assert one(row(BTC), row(XRP, "close_position"), held=held).verdict == "accepted"


@pytest.mark.parametrize(
    ("action", "side", "expected"),
    [
        ("buy", "long", []),
        ("buy", "short", ["opposite_side"]),
        ("sell", "short", []),
        ("sell", "long", ["opposite_side"]),
        ("sell", None, []),
    ],
)
def test_a_resting_entry_has_a_side_too(action: Action, side: PositionSide | None, expected: list[str]) -> None:
    held = account(resting={BTC: Resting(D(100), side)})
    assert reasons(one(row(BTC, action), held=held)) == expected


def test_a_close_takes_the_resting_entries_of_its_symbol_out_of_the_way() -> None:
    held = account(position(BTC), resting={BTC: D(100)})
    verdicts = judged(row(BTC, "close_position"), row(BTC, "sell"), held=held).verdicts
    assert [verdict.verdict for verdict in verdicts] == ["accepted", "accepted"]


def test_equal_confidence_goes_by_symbol_not_by_row() -> None:
    plan = limits(strategy(max_positions=1))
    for rows in ((row(ETH), row(BTC)), (row(BTC), row(ETH))):
        taken = [verdict.asset for verdict in judged(*rows, bounds=plan).verdicts if verdict.final]
        assert taken == [BTC]


@pytest.mark.parametrize(("minutes", "denied"), [(0, False), (5, True), (6, True), (4, False)])
def test_a_blackout_is_only_what_the_strategy_says(minutes: int, denied: bool) -> None:
    due = facts(next_funding_time=NOW + timedelta(minutes=5))
    verdict = one(row(), market=due, bounds=limits(strategy(funding_blackout_min=minutes)))
    assert reasons(verdict) == (["funding_near"] if denied else [])


@pytest.mark.parametrize(("rate", "denied"), [(0.0005, False), (0.000501, True)])
def test_funding_near_is_denied_above_its_threshold(rate: float, denied: bool) -> None:
    due = facts(funding_rate=rate, next_funding_time=NOW + timedelta(minutes=5))
    assert reasons(one(row(), market=due)) == (["funding_near"] if denied else [])
