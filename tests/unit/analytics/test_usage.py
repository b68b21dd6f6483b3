"""Usage: what is known is summed, what is not is counted as unknown."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.analytics.usage import UsageCall, percentile, usage
from libs.schemas.decision import TokenUsage

T0 = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def call(**more: Any) -> UsageCall:
    values: dict[str, Any] = {
        "account_id": "acc1", "strategy_id": "swing", "model": "gpt", "at": T0, "outcome": "ok", "latency_ms": 100.0,
        "cost_usd": 0.01, "tokens": TokenUsage(prompt=1_000, completion=100, reasoning=40, cached=500),
    }  # fmt: skip
    return UsageCall(**(values | more))


def test_calls_are_summed_by_outcome_model_account_strategy_session_and_day() -> None:
    calls = [
        call(session="s1"),
        call(model="grok", outcome="repaired", cost_usd=0.02, at=T0 + DAY, latency_ms=300.0),
        call(account_id="acc2", strategy_id="dca", outcome="timeout", cost_usd=0.0, tokens=None, latency_ms=900.0),
    ]
    found = usage(calls, T0, T0 + 2 * DAY)
    assert (found.requests, found.ok, found.failed) == (3, 2, {"timeout": 1})
    assert found.error_rate == pytest.approx(1 / 3)
    assert (found.latency_p50_ms, found.latency_p95_ms, found.latency_p99_ms) == (300.0, 900.0, 900.0)
    assert (found.prompt_tokens, found.completion_tokens) == (2_000, 200)
    assert (found.reasoning_tokens, found.cached_tokens, found.tokens_unknown) == (80, 1_000, 1)
    assert found.cost_total == pytest.approx(0.03)
    assert found.cost_unknown == 0
    assert {name: line.calls for name, line in found.per_model.items()} == {"gpt": 2, "grok": 1}
    assert {name: line.cost_usd for name, line in found.per_account.items()} == {"acc1": pytest.approx(0.03), "acc2": 0}
    assert {name: line.tokens for name, line in found.per_strategy.items()} == {"dca": 0, "swing": 2_200}
    assert {name: line.calls for name, line in found.per_session.items()} == {"s1": 1, "unknown": 2}
    assert list(found.per_day) == ["2026-05-04", "2026-05-05"]


def test_an_unknown_cost_is_never_zero() -> None:
    found = usage([call(cost_usd=None)], T0, T0 + DAY)
    assert (found.cost_total, found.cost_unknown, found.per_model["gpt"].cost_usd) == (None, 1, None)
    part = usage([call(cost_usd=None), call()], T0, T0 + DAY)
    assert (part.cost_total, part.cost_unknown) == (0.01, 1)


def test_what_shadow_arms_cost_is_told_apart() -> None:
    assert usage([call(), call(shadow=True, cost_usd=0.5)], T0, T0 + DAY).cost_of_shadows == 0.5
    assert usage([call()], T0, T0 + DAY).cost_of_shadows is None


def test_a_period_takes_its_begin_and_not_its_end_and_nothing_is_nothing() -> None:
    calls = [call(at=T0), call(at=T0 + DAY)]
    assert usage(calls, T0, T0 + DAY).requests == 1
    empty = usage([], T0, T0 + DAY)
    assert (empty.requests, empty.cost_total, empty.latency_p50_ms, empty.error_rate) == (0, None, None, 0.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_percentiles_are_values_that_were_measured_and_in_order(values: list[float]) -> None:
    found = [percentile(sorted(values), percent) for percent in (50, 95, 99, 100)]
    assert all(one in values for one in found)
    assert found == sorted(found, key=float)  # type: ignore[arg-type]
    assert found[-1] == max(values)


@given(st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=50))
def test_every_split_of_the_cost_adds_up_to_the_whole(costs: list[float | None]) -> None:
    calls = [call(cost_usd=cost, model=f"m{n % 3}", account_id=f"a{n % 4}") for n, cost in enumerate(costs)]
    found = usage(calls, T0, T0 + DAY)
    for split in (found.per_model, found.per_account, found.per_strategy, found.per_session, found.per_day):
        assert sum(line.cost_usd or 0 for line in split.values()) == pytest.approx(found.cost_total or 0)
        assert sum(line.unknown for line in split.values()) == found.cost_unknown
        assert sum(line.calls for line in split.values()) == len(costs)
