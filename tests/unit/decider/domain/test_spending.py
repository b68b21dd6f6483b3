"""The log folded into counters: which calls count, as what, and in which period."""

from typing import Any

import pytest

from services.decider.domain.spending import Counters, Spending, cost_of
from tests.fakes.decider_spending import FREE, PAID, UNPRICED

NOON = 1_795_176_000  # 12:00 UTC
ENTRIES = {entry.id: entry for entry in (PAID, UNPRICED, FREE)}


def call(
    model: str = PAID.id, cost: float | None = 0.5, tokens: int | None = 500, outcome: str = "ok"
) -> dict[str, Any]:
    return {
        "attempt": 1, "model_requested": model, "cost_usd": cost, "outcome": outcome, "system_prompt": "s" * 60,
        "user_prompt": "u" * 140, "params": {"max_tokens": 900},
        "usage": None if tokens is None else {"prompt": tokens - 100, "completion": 100, "reasoning": 90},
    }  # fmt: skip


def spending(*stored: tuple[int, dict[str, Any]]) -> Spending:
    found = Spending(NOON + 600, ENTRIES.get, 30.0)
    for n, (at, one) in enumerate(stored):
        found.add({"decision_id": f"d{n}", "account_id": "scalper", "calls": [one]}, at)
    return found


def test_calls_count_in_the_hour_and_the_day_in_which_they_were_stored() -> None:
    found = spending((NOON + 1, call()), (NOON - 1, call()), (NOON - 86_400, call()))
    expected = Counters(500_000_000, 500, 1_000_000_000, 1_000)
    assert found.scopes == {"global": expected, "account:scalper": expected}
    assert found.seen == {"d0:1", "d1:1"}


def test_free_models_have_no_counters() -> None:
    assert spending((NOON, call(FREE.id, 0))).scopes == {}


@pytest.mark.parametrize(
    ("made", "usd", "tokens"),
    [
        (call(), 500_000_000, 500),
        (call(cost=None, tokens=None, outcome="auth"), 0, 0),
        (call(cost=None, tokens=None, outcome="timeout"), 10_000_001, 1_000),
        (call(UNPRICED.id, None, 500), 0, 500),
        (call(UNPRICED.id, None, None, "timeout"), 30_000_001, 1_000),
        (call("gone/from-the-catalogue", None, None, "timeout"), 30_000_001, 1_000),
        (call(cost=None, tokens=None), 10_000_001, 1_000),
    ],
    ids=[
        "as recorded", "a refused key cost nothing", "a time-out may have cost the longest answer",
        "without a price tokens count", "and a stated price where nobody knows", "so too for a model that is gone",
        "an answer without usage counts as the longest",
    ],
)  # fmt: skip
def test_a_recorded_call_counts_as_what_is_known_of_it(made: dict[str, Any], usd: int, tokens: int) -> None:
    found = cost_of(made, ENTRIES.get(made["model_requested"]), 30.0)
    assert (found.usd, found.tokens) == (usd, tokens)


def test_a_record_of_another_shape_is_refused() -> None:
    with pytest.raises(KeyError):
        spending((NOON, {"attempt": 1}))
