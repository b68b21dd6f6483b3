"""The validator's own metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from libs.risk.values import Judgement

JUDGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)


class ValidatorMetrics:
    """What the rules say, how long they take, and how proposals end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.verdicts = Counter("perpetua_validator_verdicts", "Verdicts on assets", ["verdict"], registry=registry)
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

    def ended(self, event: str, outcome: str) -> None:
        self.endings.labels(event, outcome).inc()

    def judged(self, judgement: Judgement, seconds: float) -> None:
        self.judge_seconds.observe(seconds)
        for verdict in judgement.verdicts:
            self.verdicts.labels(verdict.verdict).inc()
            for receipt in verdict.receipts:
                self.receipts.labels(receipt.reason.value, receipt.effect).inc()
