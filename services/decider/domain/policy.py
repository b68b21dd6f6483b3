"""What follows from the outcome of a call: a pure state machine with a deadline and a cap on calls.

One owner of retries: the client's own are off. A new kind of failure, or another treatment of one, is a row of TABLE;
what the gate says before a call is in DENIED. Each model of the chain keeps a call and a share of the time for itself:
retries and repairs of one model never use up what those after it need (docs/decisions/0015).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from libs.schemas.decision import CallOutcome
from libs.schemas.reasons import AbstainReason
from services.decider.domain.gate import Denial, Denied
from services.decider.domain.parse import Parsed
from services.decider.domain.reading import Reading
from services.decider.domain.replies import Outcome

Kind = Literal["first", "retry", "repair", "longer", "without"]
SHARE = 2 / 3  # of the time that is left, for a call of a model that others follow
MAX_BACKOFF_S = 8.0


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Seconds of wall time and counts of one decision. A call is not begun with less than `min_call_s` left."""

    deadline_s: float = 20.0
    max_calls: int = 4
    min_call_s: float = 0.25
    backoff_s: float = 0.5
    max_waits: int = 3  # for the gate's rate limit, per model


@dataclass(frozen=True, slots=True)
class Treatment:
    """Treatment of one outcome: how often the same model is asked again, and the reason where nothing is left."""

    recorded: CallOutcome
    reason: AbstainReason
    retries: int = 0
    repairs: int = 0
    longer: int = 0


TABLE: Mapping[Outcome, Treatment] = {
    Outcome.AUTH: Treatment("auth", AbstainReason.AUTH),
    Outcome.CREDIT: Treatment("auth", AbstainReason.AUTH),
    Outcome.NOT_FOUND: Treatment("unavailable", AbstainReason.UNKNOWN_MODEL),
    Outcome.POLICY: Treatment("refused", AbstainReason.REFUSED),
    Outcome.RATE_LIMITED: Treatment("rate_limited", AbstainReason.RATE_LIMITED, retries=1),
    Outcome.TIMEOUT: Treatment("timeout", AbstainReason.TIMEOUT, retries=2),
    Outcome.UNAVAILABLE: Treatment("unavailable", AbstainReason.UNAVAILABLE, retries=2),
    Outcome.REFUSED: Treatment("refused", AbstainReason.REFUSED),
    Outcome.TRUNCATED: Treatment("invalid", AbstainReason.INVALID, longer=1),
    Outcome.EMPTY: Treatment("invalid", AbstainReason.INVALID),
    Outcome.INVALID: Treatment("invalid", AbstainReason.INVALID, repairs=1),
    Outcome.CUT: Treatment("invalid", AbstainReason.INVALID),
}

DENIED: Mapping[Denial, AbstainReason] = {
    Denial.BREAKER_OPEN: AbstainReason.UNAVAILABLE,
    Denial.KEY_REFUSED: AbstainReason.AUTH,
    Denial.RATE_LIMITED: AbstainReason.RATE_LIMITED,
    Denial.BUDGET: AbstainReason.BUDGET,
    Denial.BUDGET_UNAVAILABLE: AbstainReason.BUDGET_UNAVAILABLE,
    Denial.TOO_LONG: AbstainReason.INVALID,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model of the chain and the longest that one call of it may take."""

    model: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Call:
    """Wait, then call the model with this time-out. `longer`: with a larger limit of output tokens.
    `without`: without the part of the request that the server has refused."""

    model: str
    timeout_s: float
    wait_s: float = 0.0
    kind: Kind = "first"


@dataclass(frozen=True, slots=True)
class Done:
    """The last answer is the decision, or what is right of it."""

    parsed: Parsed


@dataclass(frozen=True, slots=True)
class Abstain:
    reason: AbstainReason
    detail: str


Step = Call | Done | Abstain


@dataclass(frozen=True, slots=True)
class PolicyState:
    """Where a decision stands. `calls` were made; what follows `said` is that of the present model."""

    chain: tuple[Candidate, ...]
    limits: CallLimits
    at: int = 0
    calls: int = 0
    said: tuple[str, ...] = ()
    kind: Kind = "first"
    granted_s: float = 0.0
    retries: int = 0
    repairs: int = 0
    longer: int = 0
    without: tuple[str, ...] = ()
    waits: int = 0

    @property
    def after(self) -> int:
        """Models of the chain that have not been asked."""
        return len(self.chain) - self.at - 1


def jitter(decision_id: str, attempt: int) -> float:
    """0…1, even over decisions, and the same again for a redelivered one."""
    return int.from_bytes(hashlib.sha256(f"{decision_id}:{attempt}".encode()).digest()[:4]) / 2**32


def begin(chain: tuple[Candidate, ...], limits: CallLimits) -> tuple[PolicyState, Step]:
    """The first step. Raises IndexError for an empty chain."""
    state = PolicyState(chain, limits)
    return _call(state, 0.0, 0.0, "first") or (state, Abstain(AbstainReason.TIMEOUT, "the deadline is 0"))


def advance(state: PolicyState, reading: Reading, elapsed_s: float, spread: float) -> tuple[PolicyState, Step]:
    """The step after a call, `elapsed_s` seconds after the decision began; `spread` in 0…1 scales the back-off."""
    state = replace(state, calls=state.calls + 1)
    if reading.parsed is not None:
        return state, Done(reading.parsed)
    state, row = _note(state, reading.detail), TABLE[reading.outcome]
    return (
        _again(state, row, reading, elapsed_s, spread)
        or _next_model(state, elapsed_s)
        or (None if reading.rest is None else (state, Done(reading.rest)))
        or (state, _abstain(state, row.reason, elapsed_s, due=_due(state, row, reading)))
    )


def denied(state: PolicyState, denial: Denied, elapsed_s: float) -> tuple[PolicyState, Step]:
    """The step where the gate did not admit the call: nothing was sent, so none is counted."""
    if denial.why is Denial.RATE_LIMITED and denial.retry_after_s is not None and state.waits < state.limits.max_waits:
        waiting = replace(state, waits=state.waits + 1)
        if step := _call(waiting, elapsed_s, max(denial.retry_after_s, 0.01), state.kind):
            return step
    state = _note(state, denial.detail)
    return _next_model(state, elapsed_s) or (
        state,
        _abstain(state, DENIED[denial.why], elapsed_s, due=state.after > 0),
    )


def _again(
    state: PolicyState, row: Treatment, reading: Reading, elapsed_s: float, spread: float
) -> tuple[PolicyState, Step] | None:
    if state.limits.max_calls - state.calls <= state.after:
        return None
    if reading.without and reading.without not in state.without:
        return _call(replace(state, without=(*state.without, reading.without)), elapsed_s, 0.0, "without")
    if state.longer < row.longer:
        return _call(replace(state, longer=state.longer + 1), elapsed_s, 0.0, "longer")
    if state.repairs < row.repairs:
        return _call(replace(state, repairs=state.repairs + 1), elapsed_s, 0.0, "repair")
    if state.retries < row.retries:
        return _retry(state, reading, elapsed_s, spread)
    return None


def _retry(state: PolicyState, reading: Reading, elapsed_s: float, spread: float) -> tuple[PolicyState, Step] | None:
    """The same call again after a back-off with full jitter, unless it would get too little time to be worth it."""
    full = min(MAX_BACKOFF_S, state.limits.backoff_s * 2**state.retries) * spread
    wait = full if reading.retry_after_s is None else reading.retry_after_s
    if state.after and _time(state, elapsed_s + wait) < state.granted_s / 2:
        return None
    return _call(replace(state, retries=state.retries + 1), elapsed_s, wait, "retry")


def _next_model(state: PolicyState, elapsed_s: float) -> tuple[PolicyState, Step] | None:
    if not state.after:
        return None
    fresh = PolicyState(state.chain, state.limits, state.at + 1, state.calls, state.said)
    return _call(fresh, elapsed_s, 0.0, "first")


def _time(state: PolicyState, elapsed_s: float) -> float:
    """Seconds that a call begun then may take."""
    left = state.limits.deadline_s - elapsed_s
    return min(state.chain[state.at].timeout_s, left * SHARE if state.after else left)


def _call(state: PolicyState, elapsed_s: float, wait_s: float, kind: Kind) -> tuple[PolicyState, Step] | None:
    """The call, if the cap and the deadline leave room for it."""
    seconds = _time(state, elapsed_s + wait_s)
    short = seconds < min(state.limits.min_call_s, state.chain[state.at].timeout_s)
    if state.calls >= state.limits.max_calls or short:
        return None
    call = Call(state.chain[state.at].model, seconds, wait_s, kind)
    return replace(state, kind=kind, granted_s=seconds), call


def _note(state: PolicyState, detail: str) -> PolicyState:
    return state if detail in state.said else replace(state, said=(*state.said, detail))


def _due(state: PolicyState, row: Treatment, reading: Reading) -> bool:
    if reading.without and reading.without not in state.without:
        return True
    return state.after > 0 or state.retries < row.retries or state.repairs < row.repairs or state.longer < row.longer


def _abstain(state: PolicyState, reason: AbstainReason, elapsed_s: float, *, due: bool) -> Abstain:
    """Name what stopped it: the cap or the deadline where another call was due, else the last failure."""
    said = "; ".join(state.said)
    if due and state.calls >= state.limits.max_calls:
        return Abstain(AbstainReason.CALL_CAP, f"{state.calls} calls without a decision: {said}")
    if due and state.limits.deadline_s - elapsed_s < state.limits.min_call_s:
        return Abstain(AbstainReason.TIMEOUT, f"the deadline of {state.limits.deadline_s:g} s has passed: {said}")
    return Abstain(reason, said)
