"""What a row must be before its numbers matter."""

import pytest

from libs.schemas.decision import AssetDecision
from tests.unit.risk.samples import BTC, ETH, account, decrease, increase, judged, one, orders, position, reasons, row


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        pytest.param(row("DOGEUSDT"), "unknown_asset", id="entry in an unknown asset"),
        pytest.param(row("DOGEUSDT", "close_position"), "unknown_asset", id="close of an unknown asset"),
        pytest.param(row("DOGEUSDT", "hold"), "unknown_asset", id="hold of an unknown asset"),
        pytest.param(row(action="hold", allocation_usd=5), "fields_conflict", id="hold that allocates"),
        pytest.param(row(allocation_usd=0), "fields_missing", id="entry of nothing"),
        pytest.param(row(action="adjust_position"), "fields_missing", id="adjust_position without its object"),
        pytest.param(row(action="adjust_orders"), "fields_missing", id="adjust_orders without its object"),
        pytest.param(row(order_adjustment={"cancel_tp": True}), "fields_conflict", id="entry that adjusts orders"),
        pytest.param(row(action="close_position"), "no_position", id="close of nothing"),
        pytest.param(increase(), "no_position", id="increase of nothing"),
        pytest.param(decrease(), "no_position", id="decrease of nothing"),
        pytest.param(orders(cancel_tp=True), "no_position", id="orders of nothing"),
        pytest.param(row(rationale=" "), "rationale_missing", id="entry without a rationale"),
        pytest.param(row(exit_plan=""), "rationale_missing", id="entry without an exit plan"),
    ],
)
def test_a_row_that_is_not_whole_is_denied(asked: AssetDecision, reason: str) -> None:
    judgement = judged(asked)
    assert reasons(judgement.verdicts[0]) == [reason]
    assert (judgement.verdicts[0].verdict, judgement.verdicts[0].final) == ("denied", None)
    assert judgement.status == "denied"


def test_two_entries_for_one_asset_deny_both_and_leave_the_others() -> None:
    judgement = judged(row(confidence=90), row(ETH), row(confidence=10, action="sell"))
    assert [verdict.verdict for verdict in judgement.verdicts] == ["denied", "accepted", "denied"]
    assert reasons(judgement.verdicts[0]) == reasons(judgement.verdicts[2]) == ["duplicate_entry"]
    assert judgement.status == "partial"


def test_an_increase_and_a_buy_of_one_asset_are_two_entries() -> None:
    judgement = judged(increase(), row(), held=account(position()))
    assert [reasons(verdict) for verdict in judgement.verdicts] == [["duplicate_entry"]] * 2


def test_an_exit_without_a_rationale_is_only_warned_about() -> None:
    verdict = one(row(action="close_position", rationale="", exit_plan=""), held=account(position()))
    assert verdict.verdict == "accepted"
    assert reasons(verdict) == ["rationale_missing"]


def test_a_position_in_an_asset_that_is_no_longer_traded_can_be_closed() -> None:
    verdict = one(row("DOGEUSDT", "close_position"), held=account(position("DOGEUSDT", quantity="7")))
    assert verdict.final is not None
    assert verdict.final.quantity == 7


def test_holds_are_a_considered_hold() -> None:
    judgement = judged(row(BTC, "hold"), row(ETH, "hold"))
    assert judgement.status == "hold"
    assert [verdict.final for verdict in judgement.verdicts] == [None, None]
