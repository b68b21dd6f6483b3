"""What the decider counts. Labels come from the catalogue and from closed enums, never from accounts or answers."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from libs.schemas.decision import DecisionProposed, ModelCall

OWN_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
CALL_BUCKETS = (0.002, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 20, 60)


class DeciderMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(
            "perpetua_decider_decisions_total", "decisions by how they ended", ["status", "reason"], registry=registry
        )
        self._own = Histogram(
            "perpetua_decider_engine_seconds",
            "own time per decision, models excluded",
            buckets=OWN_BUCKETS,
            registry=registry,
        )
        self._calls = Counter(
            "perpetua_decider_calls_total", "calls of models", ["provider", "outcome"], registry=registry
        )
        self._latency = Histogram(
            "perpetua_decider_call_seconds", "time of one call", ["provider"], buckets=CALL_BUCKETS, registry=registry
        )
        self._tokens = Counter("perpetua_decider_tokens_total", "tokens", ["provider", "kind"], registry=registry)
        self._dollars = Counter(
            "perpetua_decider_cost_dollars_total", "known cost of calls", ["provider", "source"], registry=registry
        )

    def observe(self, proposal: DecisionProposed) -> None:
        self._decisions.labels(proposal.status, proposal.abstain_reason or "").inc()
        self._own.observe((proposal.timing.engine or 0.0) / 1000)
        for call in proposal.calls:
            self._call(call)

    def _call(self, call: ModelCall) -> None:
        self._calls.labels(call.provider, call.outcome).inc()
        self._latency.labels(call.provider).observe(call.latency_ms / 1000)
        if call.usage:
            self._tokens.labels(call.provider, "prompt").inc(call.usage.prompt)
            self._tokens.labels(call.provider, "completion").inc(call.usage.completion)
        if call.cost_usd:
            self._dollars.labels(call.provider, call.cost_source).inc(call.cost_usd)
