"""What operators see of verdicts: success, reasons, sizes of clamps, time."""

from decimal import Decimal as D

import pytest
from prometheus_client import CollectorRegistry

from libs.risk.values import Judgement, RuleReceipt, SizedOrder, Verdict
from libs.schemas.decision import Action
from libs.schemas.reasons import Reason
from services.validator.metrics import Outcome, ValidatorMetrics

SIZED = RuleReceipt("sizing", "clamp", Reason.SIZED, "cut", D(500), D(200))
ALLOWED = RuleReceipt("sizing", "note", Reason.SIZED, "as much", D(500), D(500))
STOP = RuleReceipt("stop_required", "clamp", Reason.STOP_DEFAULTED, "set", None, D(98))
NONE_LEFT = RuleReceipt("margin", "deny", Reason.NOTHING_LEFT, "none", D(500), D(0))


def verdict(outcome: str = "accepted", action: Action = "buy", *receipts: RuleReceipt) -> Verdict:
    acts = outcome != "denied" and action != "hold"
    final = SizedOrder("BTCUSDT", action, "buy", D(1)) if acts else None
    return Verdict("BTCUSDT", outcome, action, final, receipts)  # type: ignore[arg-type]


def counted(*verdicts: Verdict) -> CollectorRegistry:
    registry = CollectorRegistry()
    ValidatorMetrics(registry).judged(Judgement(verdicts), 0.0003)
    return registry


HOLD = verdict("accepted", "hold")


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        pytest.param((verdict(), HOLD), "accepted", id="as asked"),
        pytest.param((verdict("clamped"), verdict()), "clamped", id="one cut"),
        pytest.param((verdict("denied"), verdict("clamped")), "partial", id="one of two denied"),
        pytest.param((verdict("denied"), HOLD), "denied", id="nothing left"),
        pytest.param((HOLD, HOLD), "hold", id="a considered hold is no success of the rules"),
        pytest.param((verdict("denied", "hold"),), "denied", id="a hold that is none"),
    ],
)
def test_a_decision_counts_once_by_its_outcome(verdicts: tuple[Verdict, ...], outcome: Outcome) -> None:
    registry = counted(*verdicts)
    found = {
        name: registry.get_sample_value("perpetua_validator_decisions_total", {"outcome": name})
        for name in ("accepted", "clamped", "partial", "denied", "hold")
    }
    assert found == {name: float(name == outcome) for name in found}


def test_verdicts_are_told_apart_by_action() -> None:
    registry = counted(verdict("denied"), verdict("accepted", "close_position"))
    labels = {"verdict": "accepted", "action": "close_position"}
    assert registry.get_sample_value("perpetua_validator_verdicts_total", labels) == 1


def test_a_cut_is_measured_by_what_it_left_and_nothing_else_is() -> None:
    registry = counted(verdict("clamped", "buy", SIZED, ALLOWED, STOP, NONE_LEFT))
    assert registry.get_sample_value("perpetua_validator_clamp_kept_sum", {"rule": "sizing"}) == 0.4
    assert registry.get_sample_value("perpetua_validator_clamp_kept_count", {"rule": "sizing"}) == 1
    for rule in ("stop_required", "margin"):
        assert registry.get_sample_value("perpetua_validator_clamp_kept_count", {"rule": rule}) is None


def test_reasons_are_counted_with_what_was_done() -> None:
    registry = counted(verdict("denied", "buy", NONE_LEFT))
    labels = {"reason": "nothing_left", "effect": "deny"}
    assert registry.get_sample_value("perpetua_validator_receipts_total", labels) == 1
    assert registry.get_sample_value("perpetua_validator_judge_seconds_count") == 1
