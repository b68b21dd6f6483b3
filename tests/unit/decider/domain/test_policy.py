"""The policy as a table of ends, and as a state machine that never leaves its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from libs.schemas.decision import TradingDecision
from libs.schemas.reasons import AbstainReason
from services.decider.domain.gate import Denial, Denied
from services.decider.domain.parse import Parsed
from services.decider.domain.policy import (
    DENIED,
    TABLE,
    Abstain,
    Call,
    CallLimits,
    Candidate,
    Done,
    PolicyState,
    Step,
    advance,
    begin,
    denied,
    jitter,
)
from services.decider.domain.reading import Reading
from services.decider.domain.replies import Outcome
from tests.forms import examples

DECISION = Parsed(
    TradingDecision.model_validate(
        {
            "decisions": [
                {
                    "asset": "BTCUSDT",
                    "action": "hold",
                    "exit_plan": "-",
                    "rationale": "-",
                    "confidence": 50,
                    "risk_level": "low",
                }
            ],
            "portfolio_rationale": "-",
            "total_allocation_usd": 0,
            "portfolio_risk_level": "low",
        }
    )
)
GOOD = Reading(Outcome.ANSWERED, parsed=DECISION)
ONE = (Candidate("a", 15),)
TWO = (Candidate("a", 15), Candidate("b", 15))
FAILURES = sorted(TABLE)


def bad(outcome: Outcome, retry_after_s: float | None = None) -> Reading:
    return Reading(outcome, detail=f"it was {outcome}", retry_after_s=retry_after_s)


def run(chain: tuple[Candidate, ...], readings: list[Reading], each_s: float = 1.0) -> tuple[list[str], Step]:
    """The models called, and how it ended; every call takes `each_s` seconds."""
    state, step = begin(chain, CallLimits())
    called, elapsed = [], 0.0
    for reading in readings:
        assert isinstance(step, Call), step
        called.append(f"{step.model}:{step.kind}")
        elapsed += step.wait_s + each_s
        state, step = advance(state, reading, elapsed, 0.5)
    return called, step


TABLE_OF_ENDS = [
    ("a good answer", ONE, [GOOD], ["a:first"], None),
    ("auth", ONE, [bad(Outcome.AUTH)], ["a:first"], "auth"),
    ("no credit", ONE, [bad(Outcome.CREDIT)], ["a:first"], "auth"),
    ("unknown at the provider", ONE, [bad(Outcome.NOT_FOUND)], ["a:first"], "unknown_model"),
    ("refused", ONE, [bad(Outcome.REFUSED)], ["a:first"], "refused"),
    ("truncated twice", ONE, [bad(Outcome.TRUNCATED)] * 2, ["a:first", "a:longer"], "invalid"),
    ("truncated, then whole", ONE, [bad(Outcome.TRUNCATED), GOOD], ["a:first", "a:longer"], None),
    (
        "truncated, then invalid, then repaired",
        ONE,
        [bad(Outcome.TRUNCATED), bad(Outcome.INVALID), GOOD],
        ["a:first", "a:longer", "a:repair"],
        None,
    ),
    ("empty", ONE, [bad(Outcome.EMPTY)], ["a:first"], "invalid"),
    ("limited twice", ONE, [bad(Outcome.RATE_LIMITED)] * 2, ["a:first", "a:retry"], "rate_limited"),
    ("away", ONE, [bad(Outcome.UNAVAILABLE)] * 3, ["a:first", "a:retry", "a:retry"], "unavailable"),
    ("slow", ONE, [bad(Outcome.TIMEOUT)] * 3, ["a:first", "a:retry", "a:retry"], "timeout"),
    (
        "a model keeps a call for each that follows",
        tuple(Candidate(name, 5) for name in "abc"),
        [bad(Outcome.UNAVAILABLE)] * 4,
        ["a:first", "a:retry", "b:first", "c:first"],
        "call_cap",
    ),
    ("away, then good", ONE, [bad(Outcome.UNAVAILABLE), GOOD], ["a:first", "a:retry"], None),
    ("invalid twice", ONE, [bad(Outcome.INVALID)] * 2, ["a:first", "a:repair"], "invalid"),
    ("repaired", ONE, [bad(Outcome.INVALID), GOOD], ["a:first", "a:repair"], None),
    ("auth, then the next model", TWO, [bad(Outcome.AUTH), GOOD], ["a:first", "b:first"], None),
    (
        "the next model has repairs and retries of its own, up to the cap",
        TWO,
        [bad(Outcome.INVALID), bad(Outcome.INVALID), bad(Outcome.INVALID), bad(Outcome.UNAVAILABLE)],
        ["a:first", "a:repair", "b:first", "b:repair"],
        "call_cap",
    ),
    ("all models fail", TWO, [bad(Outcome.AUTH), bad(Outcome.REFUSED)], ["a:first", "b:first"], "refused"),
    ("a wait beyond the deadline", ONE, [bad(Outcome.RATE_LIMITED, 60)], ["a:first"], "rate_limited"),
    ("a wait beyond it, another model", TWO, [bad(Outcome.RATE_LIMITED, 60), GOOD], ["a:first", "b:first"], None),
]


@pytest.mark.parametrize(
    ("chain", "readings", "called", "reason"), [row[1:] for row in TABLE_OF_ENDS], ids=[row[0] for row in TABLE_OF_ENDS]
)
def test_outcomes_lead_to_the_steps_of_the_table(
    chain: tuple[Candidate, ...], readings: list[Reading], called: list[str], reason: str | None
) -> None:
    found, end = run(chain, readings)
    assert found == called
    assert end == Done(DECISION) if reason is None else isinstance(end, Abstain) and end.reason == reason
    assert isinstance(end, Done) or end.detail  # type: ignore[union-attr]


def test_a_model_that_hangs_leaves_time_for_the_next_one() -> None:
    state, step = begin((Candidate("slow", 60), Candidate("next", 60)), CallLimits())
    assert isinstance(step, Call)
    assert step.timeout_s == pytest.approx(20 * 2 / 3)
    _, step = advance(state, bad(Outcome.TIMEOUT), step.timeout_s, 0.5)
    assert isinstance(step, Call)
    assert step.model == "next"
    assert step.timeout_s == pytest.approx(20 / 3)


def no(why: Denial, retry_after_s: float | None = None) -> Denied:
    return Denied(why, f"{why}: no", retry_after_s)


DENIALS: list[tuple[str, tuple[Candidate, ...], list[Denied], list[str], str | None]] = [
    ("an open breaker: the next model", TWO, [no(Denial.BREAKER_OPEN)], ["a", "b"], None),
    ("an open breaker, nothing else", ONE, [no(Denial.BREAKER_OPEN)], ["a"], "unavailable"),
    ("no budget: a later model may be free", TWO, [no(Denial.BUDGET)], ["a", "b"], None),
    ("no budget at all", TWO, [no(Denial.BUDGET)] * 2, ["a", "b"], "budget"),
    ("no book", ONE, [no(Denial.BUDGET_UNAVAILABLE)], ["a"], "budget_unavailable"),
    ("a limit that lifts in time: the same again", ONE, [no(Denial.RATE_LIMITED, 2)], ["a", "a"], None),
    ("a limit beyond the deadline", ONE, [no(Denial.RATE_LIMITED, 60)], ["a"], "rate_limited"),
    ("a limit beyond it, another model", TWO, [no(Denial.RATE_LIMITED, 60)], ["a", "b"], None),
    ("a limit that never lifts", ONE, [no(Denial.RATE_LIMITED, 0)] * 4, ["a"] * 4, "rate_limited"),
]


@pytest.mark.parametrize(
    ("chain", "denials", "tried", "reason"), [row[1:] for row in DENIALS], ids=[row[0] for row in DENIALS]
)
def test_what_the_gate_denies_counts_no_call(
    chain: tuple[Candidate, ...], denials: list[Denied], tried: list[str], reason: str | None
) -> None:
    state, step = begin(chain, CallLimits())
    found, elapsed = [], 0.0
    for denial in denials:
        assert isinstance(step, Call)
        found.append(step.model)
        elapsed += step.wait_s
        state, step = denied(state, denial, elapsed)
    if isinstance(step, Call):
        found.append(step.model)
    assert found == tried
    assert state.calls == 0
    assert isinstance(step, Call) if reason is None else isinstance(step, Abstain) and step.reason == reason


def test_every_denial_has_a_reason_to_abstain() -> None:
    assert set(DENIED) == set(Denial)


def test_an_abstention_says_what_each_model_said() -> None:
    state, _ = begin(TWO, CallLimits())
    state, _ = denied(state, Denied(Denial.BUDGET, "a: the budget of 5 USD a day is used up"), 0.0)
    _, end = advance(state, Reading(Outcome.REFUSED, detail="b: refused"), 1.0, 0.0)
    assert end == Abstain(AbstainReason.REFUSED, "a: the budget of 5 USD a day is used up; b: refused")


def test_every_outcome_but_an_answer_has_a_row() -> None:
    assert set(TABLE) == set(Outcome) - {Outcome.ANSWERED}


def test_the_time_out_of_a_call_shrinks_to_what_is_left() -> None:
    _, end = run(ONE, [bad(Outcome.UNAVAILABLE)], each_s=12)
    assert isinstance(end, Call)
    assert end.timeout_s == pytest.approx(20 - 12 - end.wait_s)


def test_a_passed_deadline_is_the_reason_where_another_call_was_due() -> None:
    _, end = run(ONE, [bad(Outcome.INVALID)], each_s=19.9)
    assert isinstance(end, Abstain)
    assert end.reason is AbstainReason.TIMEOUT


@given(st.text(max_size=40), st.integers(1, 10))
def test_jitter_is_the_same_again_and_in_its_bounds(decision: str, attempt: int) -> None:
    assert 0 <= jitter(decision, attempt) < 1
    assert jitter(decision, attempt) == jitter(decision, attempt)


class Decisions(RuleBasedStateMachine):
    """Any models, limits, outcomes and speeds: the bounds hold at each step, and there is an end."""

    state: PolicyState
    step: Step

    @initialize()
    def nothing_yet(self) -> None:
        self.step = Done(DECISION)

    @precondition(lambda self: not isinstance(self.step, Call))
    @rule(
        chain=st.lists(st.floats(0.1, 60), min_size=1, max_size=4),
        deadline=st.floats(0.5, 60),
        cap=st.integers(1, 6),
    )
    def begins(self, chain: list[float], deadline: float, cap: int) -> None:
        self.limits = CallLimits(deadline_s=deadline, max_calls=cap)
        self.elapsed, self.calls, self.denials = 0.0, 0, 0
        self.state, self.step = begin(tuple(Candidate(f"m{n}", t) for n, t in enumerate(chain)), self.limits)
        self._check()

    @precondition(lambda self: isinstance(self.step, Call))
    @rule(
        outcome=st.sampled_from(FAILURES),
        share=st.floats(0, 1),
        spread=st.floats(0, 1),
        retry_after=st.none() | st.floats(0, 100),
    )
    def fails(self, outcome: Outcome, share: float, spread: float, retry_after: float | None) -> None:
        assert isinstance(self.step, Call)
        self.calls += 1
        self.elapsed += self.step.wait_s + share * self.step.timeout_s
        self.state, self.step = advance(self.state, bad(outcome, retry_after), self.elapsed, spread)
        self._check()

    @precondition(lambda self: isinstance(self.step, Call))
    @rule(why=st.sampled_from(sorted(Denial)), retry_after=st.none() | st.floats(0, 100))
    def is_denied(self, why: Denial, retry_after: float | None) -> None:
        """The budget is the gate's: a call that it denies is never made, and is not counted as one."""
        assert isinstance(self.step, Call)
        self.elapsed += self.step.wait_s
        self.denials += 1
        self.state, self.step = denied(self.state, no(why, retry_after), self.elapsed)
        self._check()

    @precondition(lambda self: isinstance(self.step, Call))
    @rule()
    def succeeds(self) -> None:
        self.calls += 1
        self.state, self.step = advance(self.state, GOOD, self.elapsed, 0.0)
        assert self.step == Done(DECISION)

    def _check(self) -> None:
        if isinstance(self.step, Call):
            ends_at_latest = self.elapsed + self.step.wait_s + self.step.timeout_s
            assert ends_at_latest <= self.limits.deadline_s + 1e-9
            assert self.step.timeout_s > 0
            assert self.step.wait_s >= 0
            assert self.calls == self.state.calls < self.limits.max_calls
            assert self.denials <= len(self.state.chain) * (self.limits.max_waits + 1) * (self.calls + 1)

    @invariant()
    def never_beyond_the_cap(self) -> None:
        assert getattr(self, "calls", 0) <= getattr(self, "limits", CallLimits()).max_calls


TestDecisions = Decisions.TestCase
TestDecisions.settings = examples(25, 1_000, stateful_step_count=25)
