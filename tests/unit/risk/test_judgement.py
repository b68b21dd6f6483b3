"""The judgement as a whole: status, portfolio, wire."""

from dataclasses import fields
from decimal import Decimal as D

import pytest

from libs.risk import Judgement, RuleReceipt, SizedOrder, judge
from libs.schemas.decision import Action, AssetDecision
from libs.schemas.reasons import Reason
from libs.schemas.strategy import Ladder
from libs.schemas.verdict import AssetVerdict, Receipt
from tests.builders import decision
from tests.unit.risk.samples import (
    BTC,
    ETH,
    LATER,
    NOW,
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
)


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        pytest.param([row(BTC, "hold"), row(ETH, "hold")], "hold", id="all held"),
        pytest.param([row(BTC), row(ETH, "hold")], "accepted", id="an entry and a hold"),
        pytest.param([row(BTC), row(ETH, sl_price=101)], "partial", id="one of two denied"),
        pytest.param([row(BTC, sl_price=101), row(ETH, "hold")], "denied", id="nothing left to act on"),
        pytest.param([row(BTC, sl_price=None)], "accepted", id="clamped is accepted"),
    ],
)
def test_status(rows: list[AssetDecision], status: str) -> None:
    assert judged(*rows).status == status


def test_verdicts_come_in_the_order_of_the_decision() -> None:
    judgement = judged(row(ETH, confidence=1), row(BTC, confidence=99))
    assert [verdict.asset for verdict in judgement.verdicts] == [ETH, BTC]


@pytest.mark.parametrize(
    ("stated", "warned"), [(200, False), (201.9, False), (203, True), (0, True), (198.1, False), (190, True)]
)
def test_a_total_that_does_not_add_up_is_warned_about(stated: float, warned: bool) -> None:
    asked = decision(row(BTC), row(ETH), total_allocation_usd=stated)
    judgement = judge(asked, facts(), account(), limits(), NOW, expires_at=LATER)
    assert [receipt.reason.value for receipt in judgement.portfolio] == (["total_mismatch"] if warned else [])
    assert judgement.status == "accepted"


def test_an_empty_portfolio_rationale_is_warned_about() -> None:
    judgement = judge(decision(row(), portfolio_rationale=""), facts(), account(), limits(), NOW, expires_at=LATER)
    assert [receipt.rule for receipt in judgement.portfolio] == ["rationale"]
    assert judgement.portfolio_to_wire()[0].severity == "warning"


def test_wire_verdicts_say_what_was_done_and_why() -> None:
    judgement = judged(row(sl_price=None, allocation_usd=9_000), row(ETH, sl_price=200), row("SOLUSDT", "hold"))
    wire = judgement.to_wire()
    assert all(isinstance(verdict, AssetVerdict) for verdict in wire)
    assert [verdict.verdict for verdict in wire] == ["clamped", "denied", "accepted"]
    assert [verdict.final is None for verdict in wire] == [False, True, True]
    assert [receipt.severity for receipt in wire[0].receipts] == ["warning", "warning"]
    assert wire[0].receipts[1] == Receipt(
        rule="sizing",
        severity="warning",
        reason="sized",
        message="cut from 45000.00 to 10000.00: percentage sizing gives no more",
        before=45_000.0,
        after=10_000.0,
    )
    assert [receipt.severity for receipt in wire[1].receipts] == ["error"]
    assert judgement.rules_checked > 30


def test_judging_the_same_twice_gives_the_same() -> None:
    def again() -> Judgement:
        return judged(row(sl_price=None), row(ETH, "close_position"), held=account(position(ETH)))

    assert again() == again()


LADDER = {
    "position_sizing": "fixed",
    "fixed_margin_usd": 500,
    "order_preference": "maker_only",
    "max_leverage": 1,
    "stop_loss_percentage": 6,
    "take_profit_ratio": None,
    "take_profit_pct": 3,
    "max_exposure_pct": 50,
    "ladder": Ladder(rungs=5, step_pct=0.5),
}


@pytest.mark.parametrize(
    ("action", "prices", "stop", "target"),
    [
        ("buy", ["100", "99.5", "99", "98.5", "98"], "93.06", "101.97"),
        ("sell", ["100", "100.5", "101", "101.5", "102"], "107.06", "97.97"),
    ],
)
def test_a_ladder_is_five_equal_rungs_with_levels_from_their_average(
    action: Action, prices: list[str], stop: str, target: str
) -> None:
    asked = row(action=action, allocation_usd=2_500, leverage=None, sl_price=None, tp_price=None)
    final = one(asked, bounds=limits(strategy(**LADDER))).final
    assert final is not None
    assert [price for price, _ in final.rungs] == [D(price) for price in prices]
    quantities = {quantity for _, quantity in final.rungs}
    assert len(quantities) == 1
    assert sum(quantity for _, quantity in final.rungs) == final.quantity
    assert quantities.pop() % D(".01") == 0
    assert final.margin is not None
    assert D(2_450) < final.margin <= 2_500
    assert (final.limit_price, final.entry) == (D(prices[0]), D(prices[2]))
    assert (final.stop, final.target) == (D(stop), D(target))
    wire = judged(asked, bounds=limits(strategy(**LADDER))).to_wire()[0].final
    assert wire is not None
    assert len(wire.rungs) == 5


def test_a_stop_within_a_ladder_is_on_the_wrong_side() -> None:
    asked = row(allocation_usd=2_500, sl_price=98.2, tp_price=110)
    assert reasons(one(asked, bounds=limits(strategy(**LADDER)))) == ["stop_wrong_side"]


def test_every_rung_reaches_the_venues_minimum_or_none_is_placed() -> None:
    asked = row(allocation_usd=2_500, sl_price=None, tp_price=None)
    assert reasons(one(asked, bounds=limits(strategy(**LADDER), venue(min_notional="499"))))[-1] == "below_minimum"


def test_an_instruction_travels_whole() -> None:
    names = [each.name for each in fields(SizedOrder) if each.name != "rungs"]
    order = SizedOrder(
        asset=BTC, action="buy", side="buy", leverage=D(5), quantity=D(2), notional=D(200), margin=D(40), type="limit",
        time_in_force="post_only", limit_price=D(100), entry=D("99.5"), stop=D(98), target=D(110),
        rungs=((D(100), D(1)), (D(99), D(1))), cancel_target=True, reduce_only=True, exit_plan="a", invalidation="b",
    )  # fmt: skip
    wire = order.to_wire()
    assert {name: getattr(wire, name) for name in names} == {name: getattr(order, name) for name in names}
    assert [(rung.price, rung.quantity) for rung in wire.rungs] == list(order.rungs)


def test_sizes_of_a_receipt_travel_as_numbers_and_words_as_words() -> None:
    wire = RuleReceipt("margin", "clamp", Reason.MARGIN_CLAMPED, "cut", D("500.5"), "none").to_wire()
    assert (wire.before, wire.after) == (500.5, "none")
    assert isinstance(wire.before, float)


def test_what_is_said_of_the_portfolio() -> None:
    told = judged(row(), row(ETH), total=150).portfolio
    assert [(r.rule, r.effect, r.message, r.before, r.after) for r in told] == [
        ("total_matches", "warn", "allocations add up to 200, total_allocation_usd says 150", D(150), D(200))
    ]
