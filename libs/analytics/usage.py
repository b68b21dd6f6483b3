"""Use of models over a period: how often, how fast, how much, and by whom. What nobody knows stays unknown."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from libs.schemas.analytics import CostLine, UsageMetrics
from libs.schemas.decision import TokenUsage

OK = ("ok", "repaired")


@dataclass(frozen=True, slots=True)
class UsageCall:
    """One call of a model, `at` market time. `day` is the UTC day of wall time, by which budgets count too (of market
    time in records from before calls kept theirs); `session` None is that of a run that named none."""

    account_id: str
    strategy_id: str
    model: str
    at: datetime
    outcome: str
    latency_ms: float
    cost_usd: float | None
    tokens: TokenUsage | None
    session: str | None = None
    shadow: bool = False
    called_at: datetime | None = None

    @property
    def day(self) -> str:
        return (self.called_at or self.at).date().isoformat()


def usage(calls: Sequence[UsageCall], since: datetime, until: datetime) -> UsageMetrics:
    """Calls with `since` ≤ time < `until`. A cost that is unknown is in no sum: `cost_unknown` counts those calls, and
    a sum is null where no cost is known."""
    of = [call for call in calls if since <= call.at < until]
    ok = sum(call.outcome in OK for call in of)
    times = sorted(call.latency_ms for call in of)
    known = [call.tokens for call in of if call.tokens is not None]
    whole = cost_line(of)
    return UsageMetrics(
        period_start=since,
        period_end=until,
        requests=len(of),
        ok=ok,
        failed=dict(sorted(Counter(call.outcome for call in of if call.outcome not in OK).items())),
        latency_p50_ms=percentile(times, 50),
        latency_p95_ms=percentile(times, 95),
        latency_p99_ms=percentile(times, 99),
        prompt_tokens=sum(one.prompt for one in known),
        completion_tokens=sum(one.completion for one in known),
        reasoning_tokens=sum(one.reasoning for one in known),
        cached_tokens=sum(one.cached for one in known),
        tokens_unknown=len(of) - len(known),
        cost_total=whole.cost_usd,
        cost_unknown=whole.unknown,
        cost_of_shadows=cost_line([call for call in of if call.shadow]).cost_usd,
        per_model=_lines((call.model, call) for call in of),
        per_account=_lines((call.account_id, call) for call in of),
        per_strategy=_lines((call.strategy_id, call) for call in of),
        per_session=_lines((call.session or "unknown", call) for call in of),
        per_day=_lines((call.day, call) for call in of),
        error_rate=(len(of) - ok) / len(of) if of else 0.0,
    )


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Nearest rank: a value that was measured. None without values."""
    return ordered[max(1, ceil(len(ordered) * percent / 100)) - 1] if ordered else None


def cost_line(calls: Sequence[UsageCall]) -> CostLine:
    known = [call.cost_usd for call in calls if call.cost_usd is not None]
    tokens = sum(call.tokens.prompt + call.tokens.completion for call in calls if call.tokens is not None)
    return CostLine(
        calls=len(calls), cost_usd=sum(known) if known else None, unknown=len(calls) - len(known), tokens=tokens
    )


def _lines(pairs: Iterable[tuple[str, UsageCall]]) -> dict[str, CostLine]:
    groups: dict[str, list[UsageCall]] = defaultdict(list)
    for name, call in pairs:
        groups[name].append(call)
    return {name: cost_line(groups[name]) for name in sorted(groups)}
