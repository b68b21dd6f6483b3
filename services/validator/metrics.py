"""The validator's own metrics."""

from decimal import Decimal
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from libs.risk.values import Judgement, RuleReceipt
from libs.runtime.metrics import observe
from libs.runtime.ticks import BadTick

Outcome = Literal["accepted", "clamped", "partial", "denied", "hold"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
KEPT_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
SIZE_RULES = frozenset(
    ("sizing", "risk_per_trade", "position_size", "exposure", "concentration", "correlation", "margin", "amount")
)
JUDGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)


class ValidatorMetrics:
    """What the rules say, how long they take, and how proposals end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.decisions = Counter(
            "perpetua_validator_decisions",
            "Decisions by the worst verdict on what they act on; success is what is not denied",
            ["outcome"],
            registry=registry,
        )
        self.verdicts = Counter(
            "perpetua_validator_verdicts", "Verdicts on assets", ["verdict", "action"], registry=registry
        )
        self.kept = Histogram(
            "perpetua_validator_clamp_kept",
            "What a clamp left of a size, as a fraction",
            ["rule"],
            buckets=KEPT_BUCKETS,
            registry=registry,
        )
        self.receipts = Counter(
            "perpetua_validator_receipts", "What rules did to assets", ["reason", "effect"], registry=registry
        )
        self.judge_seconds = Histogram(
            "perpetua_validator_judge_seconds", "Judging one decision", buckets=JUDGE_BUCKETS, registry=registry
        )
        self.endings = Counter(
            "perpetua_validator_endings", "Proposals by how they ended", ["event", "outcome"], registry=registry
        )
        self.bad_ticks = Gauge("perpetua_validator_bad_ticks", "Market events that were refused", registry=registry)
        for outcome in OUTCOMES:
            self.decisions.labels(outcome)

    def bad_tick(self, bad: BadTick) -> None:
        self.bad_ticks.inc()

    def ended(self, event: str, outcome: str) -> None:
        self.endings.labels(event, outcome).inc()

    def judged(self, judgement: Judgement, seconds: float) -> None:
        observe(self.judge_seconds, seconds)
        self.decisions.labels(outcome_of(judgement)).inc()
        for verdict in judgement.verdicts:
            self.verdicts.labels(verdict.verdict, verdict.action).inc()
            for receipt in verdict.receipts:
                self.receipts.labels(receipt.reason.value, receipt.effect).inc()
                if (kept := share_kept(receipt)) is not None:
                    self.kept.labels(receipt.rule).observe(kept)


def outcome_of(judgement: Judgement) -> Outcome:
    """`hold` where nothing was asked for; a decision of which one asset was denied counts as denied in part."""
    acted = [verdict.verdict for verdict in judgement.verdicts if verdict.action != "hold"]
    if not acted and "denied" not in (verdict.verdict for verdict in judgement.verdicts):
        return "hold"
    if judgement.status == "denied":
        return "denied"
    if "denied" in acted:
        return "partial"
    return "clamped" if "clamped" in acted else "accepted"


def share_kept(receipt: RuleReceipt) -> float | None:
    """What a cut left of a notional; None of anything else that a rule does."""
    if receipt.rule not in SIZE_RULES or receipt.effect != "clamp":
        return None
    if not isinstance(receipt.before, Decimal) or not isinstance(receipt.after, Decimal) or receipt.before <= 0:
        return None
    return float(receipt.after / receipt.before)
