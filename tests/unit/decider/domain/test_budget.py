"""What a call is set aside for, and what it is counted as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.account import Budgets
from services.decider.domain import budget
from services.decider.domain.budget import Amount
from services.decider.domain.gate import WorstCase
from services.decider.domain.replies import Outcome
from tests.fakes.decider_spending import PAID, UNPRICED, account


@pytest.mark.parametrize(
    ("usd", "up", "nano"),
    [
        (0.1, True, 100_000_000),
        (0.0123, True, 12_300_000),
        (1e-10, True, 1),
        (1e-10, False, 0),
        (1e300, True, 2**53 - 1),
    ],
)
def test_dollars_become_whole_nano_dollars_on_the_safe_side(usd: float, up: bool, nano: int) -> None:
    assert budget.nano(usd, up=up) == nano


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_rounded_cost_within_a_rounded_limit_is_within_the_limit(cost: float, limit: float) -> None:
    assert budget.nano(cost) > budget.nano(limit, up=False) or cost <= limit


def test_only_limits_that_are_set_are_counted_against() -> None:
    found = budget.scopes(account(usd_per_day=0.5, tokens_per_hour=7), Budgets(usd_per_hour=0))
    assert [(one.id, dict(one.limits)) for one in found] == [
        ("global", {"usd_per_hour": 0}),
        ("account:scalper", {"tokens_per_hour": 7, "usd_per_day": 500_000_000}),
    ]
    assert [one.id for one in budget.scopes(None, Budgets())] == ["global"]


def test_without_a_price_a_stated_one_is_set_aside() -> None:
    assert budget.reserved(WorstCase(None, 2_000), 30.0) == Amount(60_000_000, 2_000)
    assert budget.reserved(WorstCase(0.25, 2_000), 30.0) == Amount(250_000_000, 2_000)


@given(
    st.sampled_from([PAID, UNPRICED]),
    st.one_of(st.none(), st.floats(0, 0.01)),
    st.one_of(st.none(), st.integers(0, 1_000)),
    st.sampled_from(list(Outcome)),
)
def test_no_call_is_counted_above_what_was_set_aside_unless_the_provider_says_so(
    entry: object, cost: float | None, tokens: int | None, outcome: Outcome
) -> None:
    held = Amount(10_000_000, 1_000)
    counted = budget.final(held, entry, cost, tokens, outcome)  # type: ignore[arg-type]
    assert counted.usd <= held.usd
    assert counted.tokens <= held.tokens


def test_a_complaint_says_what_is_used_and_what_to_do() -> None:
    said = budget.complaint("account:scalper", "usd_per_day", 4_980_000_000, 5_000_000_000, 31_000_000)
    assert said == (
        "account scalper: $4.98 of $5 are spent or reserved today (UTC), and this call could cost $0.031: "
        "wait for the next period or raise the account's budgets.usd_per_day"
    )
