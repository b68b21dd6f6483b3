"""What the decider counts. Labels come from the catalogue and from closed enums, never from accounts or answers.

Calls and tokens go by OpenTelemetry's GenAI conventions (`gen_ai.client.operation.duration`,
`gen_ai.client.token.usage`), written as Prometheus writes them, with the buckets that they advise.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from libs.runtime.metrics import observe
from libs.schemas.decision import DecisionProposed, ModelCall
from libs.schemas.reasons import AbstainReason
from services.decider.domain.authentication import WRONG, Check, KeyVerdict
from services.decider.domain.catalogue import Catalogue
from services.decider.domain.gate import Denial
from services.decider.domain.health import Breaker, Health

OWN_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
CALL_BUCKETS = tuple(0.01 * 2**n for n in range(14))  # 10 ms … 82 s
TOKEN_BUCKETS = tuple(4.0**n for n in range(14))  # 1 … 67 million
_MODEL = ["gen_ai_provider_name", "gen_ai_request_model"]
_OPERATION = ["gen_ai_operation_name", *_MODEL]
CHAT = "chat"
BREAKERS = {"closed": 0, "half_open": 1, "open": 2}
PART_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class GateMetrics:
    """The gate before calls: is Redis there, and what was not let through?"""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge("perpetua_decider_redis_up", "1 while budgets and limits are shared", registry=registry)
        self._denied = Counter("perpetua_decider_denied_total", "calls not let through", ["why"], registry=registry)
        self._warned = Counter("perpetua_decider_budget_alerts_total", "budgets used beyond 80 %", registry=registry)
        self.redis(True)

    def redis(self, up: bool) -> None:
        self._up.set(up)

    def denied(self, why: Denial) -> None:
        self._denied.labels(why.value).inc()

    def warned(self) -> None:
        self._warned.inc()


class GateCollector(Collector):
    """How breakers and the budgets of all accounts together stand, read when somebody asks."""

    def __init__(
        self,
        registry: CollectorRegistry,
        limits: Mapping[str, int],
        spent: Callable[[], Mapping[str, int]],
        breakers: Callable[[], Mapping[str, Breaker]],
    ) -> None:
        self._limits, self._spent, self._breakers = limits, spent, breakers
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        left = GaugeMetricFamily(
            "perpetua_decider_budget_left_ratio", "What is left of a budget of all accounts", labels=["budget"]
        )
        spent = self._spent()
        for name, limit in self._limits.items():
            left.add_metric([name], max(0.0, 1 - spent.get(name, 0) / limit) if limit else 0.0)
        yield left
        state = GaugeMetricFamily(
            "perpetua_decider_breaker_state", "0 closed, 1 half open, 2 open: the model is not called", labels=["model"]
        )
        for model, breaker in self._breakers().items():
            state.add_metric([model], BREAKERS[breaker])
        yield state


class DeciderMetrics:
    """`health` is kept beside the metrics: both are what calls and checks have shown."""

    def __init__(
        self,
        registry: CollectorRegistry,
        catalogue: Catalogue,
        wall: Callable[[], datetime],
        breakers: Callable[[], Mapping[str, Breaker]] = dict,
    ) -> None:
        self.health = Health(breakers)
        self._label, self._wall = catalogue.label, wall
        self._decisions = Counter(
            "perpetua_decider_decisions_total", "decisions by how they ended", ["status", "reason"], registry=registry
        )
        for reason in AbstainReason:  # rare ones begin at 0
            self._decisions.labels("abstained", reason.value)
        self._own = Histogram(
            "perpetua_decider_engine_seconds",
            "own time per decision, models excluded",
            buckets=OWN_BUCKETS,
            registry=registry,
        )
        self._parts = Histogram(
            "perpetua_decider_part_seconds",
            "a decision's time by part: its context, its models, the engine itself",
            ["part"],
            buckets=PART_BUCKETS,
            registry=registry,
        )
        self._calls = Counter(
            "perpetua_decider_calls_total", "calls of models", ["provider", "model", "outcome"], registry=registry
        )
        self._passed = Counter(
            "perpetua_decider_not_asked_total", "models of a chain that were passed over", registry=registry
        )
        self._duration = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "time of one call",
            [*_OPERATION, "error_type"],
            buckets=CALL_BUCKETS,
            registry=registry,
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage",
            "tokens of one call",
            [*_OPERATION, "gen_ai_token_type"],
            buckets=TOKEN_BUCKETS,
            registry=registry,
        )
        self._dollars = Counter(
            "perpetua_decider_cost_dollars_total", "known cost", ["provider", "model", "source"], registry=registry
        )
        self._unpriced = Counter(
            "perpetua_decider_cost_unknown_total", "calls of unknown cost", ["provider", "model"], registry=registry
        )
        self._key = Gauge(
            "perpetua_decider_key_valid",
            "1 the key is taken, 0 it is not, -1 it could not be proven",
            ["provider"],
            registry=registry,
        )
        self._failing = Gauge(
            "perpetua_decider_model_failures", "consecutive failed calls", ["provider", "model"], registry=registry
        )

    def observe(self, proposal: DecisionProposed) -> None:
        self._decisions.labels(proposal.status, proposal.abstain_reason or "").inc()
        timing = proposal.timing
        observe(self._own, (timing.engine or 0.0) / 1000)
        for part, ms in (("context", timing.context), ("model", timing.model), ("engine", timing.engine)):
            if ms is not None:
                observe(self._parts.labels(part), ms / 1000)
        self._passed.inc(len(proposal.not_asked))
        for call in proposal.calls:
            self._call(call)

    def checked(self, check: Check) -> None:
        self.health.checked(check)
        self._key.labels(check.provider).set(
            1 if check.verdict is KeyVerdict.VALID else 0 if check.verdict in WRONG else -1
        )

    def _call(self, call: ModelCall) -> None:
        if call.cached:  # counted by the worker that made it, or lost with it
            return
        names = call.provider, self._label(call.model_requested)
        failed = "" if call.outcome in ("ok", "repaired") else call.outcome
        self._calls.labels(*names, call.outcome).inc()
        observe(self._duration.labels(CHAT, *names, failed), call.latency_ms / 1000)
        if call.usage:
            self._tokens.labels(CHAT, *names, "input").observe(call.usage.prompt)
            self._tokens.labels(CHAT, *names, "output").observe(call.usage.completion)
        if call.cost_usd is None:
            self._unpriced.labels(*names).inc()
        else:
            self._dollars.labels(*names, call.cost_source).inc(call.cost_usd)
        self.health.saw(names[1], call, self._wall())
        self._failing.labels(*names).set(self.health.models[names[1]].consecutive_failures)
