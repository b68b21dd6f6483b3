"""What follows from the outcome of a call: a pure state machine with a deadline and a cap on calls.

One owner of retries: the client's own are off. A new kind of failure, or another treatment of one, is a row of TABLE.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from libs.schemas.decision import CallOutcome
from libs.schemas.reasons import AbstainReason
from services.decider.domain.parse import Parsed
from services.decider.domain.reading import Reading
from services.decider.domain.replies import Outcome


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of wall time and counts of one decision. A call is not begun with less than `min_call_s` left."""

    deadline_s: float = 20.0
    max_calls: int = 4
    min_call_s: float = 0.25
    backoff_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """Treatment of one outcome: how often the same model is asked again, and the reason where nothing is left."""

    recorded: CallOutcome
    reason: AbstainReason
    retries: int = 0
    repairs: int = 0


TABLE: Mapping[Outcome, Row] = {
    Outcome.AUTH: Row("auth", AbstainReason.AUTH),
    Outcome.CREDIT: Row("auth", AbstainReason.AUTH),
    Outcome.NOT_FOUND: Row("unavailable", AbstainReason.UNKNOWN_MODEL),
    Outcome.RATE_LIMITED: Row("rate_limited", AbstainReason.RATE_LIMITED, retries=1),
    Outcome.TIMEOUT: Row("timeout", AbstainReason.TIMEOUT, retries=1),
    Outcome.UNAVAILABLE: Row("unavailable", AbstainReason.UNAVAILABLE, retries=1),
    Outcome.REFUSED: Row("refused", AbstainReason.REFUSED),
    Outcome.TRUNCATED: Row("invalid", AbstainReason.INVALID),
    Outcome.EMPTY: Row("invalid", AbstainReason.INVALID),
    Outcome.INVALID: Row("invalid", AbstainReason.INVALID, repairs=1),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model of the chain and the longest that one call of it may take."""

    model: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Call:
    """Wait, then call the model with this time-out."""

    model: str
    timeout_s: float
    wait_s: float = 0.0
    kind: Literal["first", "retry", "repair"] = "first"


@dataclass(frozen=True, slots=True)
class Done:
    """The last answer is the decision."""

    parsed: Parsed


@dataclass(frozen=True, slots=True)
class Abstain:
    reason: AbstainReason
    detail: str


Step = Call | Done | Abstain


@dataclass(frozen=True, slots=True)
class State:
    """Where a decision stands. `retries` and `repairs` are those of the present model."""

    chain: tuple[Candidate, ...]
    limits: Limits
    at: int = 0
    calls: int = 0
    retries: int = 0
    repairs: int = 0


def jitter(decision_id: str, attempt: int) -> float:
    """0…1, even over decisions, and the same again for a redelivered one."""
    return int.from_bytes(hashlib.sha256(f"{decision_id}:{attempt}".encode()).digest()[:4]) / 2**32


def begin(chain: tuple[Candidate, ...], limits: Limits) -> tuple[State, Step]:
    """The first step. Raises IndexError for an empty chain."""
    state = State(chain, limits)
    return _call(state, 0.0, 0.0, "first") or (state, Abstain(AbstainReason.TIMEOUT, "the deadline is 0"))


def advance(state: State, reading: Reading, elapsed_s: float, spread: float) -> tuple[State, Step]:
    """The next step `elapsed_s` seconds after the decision began; `spread` in 0…1 scales the back-off."""
    if reading.parsed is not None:
        return state, Done(reading.parsed)
    row = TABLE[reading.outcome]
    return (
        _again(state, row, reading, elapsed_s, spread)
        or _next_model(state, elapsed_s)
        or (state, _abstain(state, row, reading, elapsed_s))
    )


def _again(state: State, row: Row, reading: Reading, elapsed_s: float, spread: float) -> tuple[State, Step] | None:
    if state.repairs < row.repairs:
        return _call(replace(state, repairs=state.repairs + 1), elapsed_s, 0.0, "repair")
    if state.retries < row.retries:
        full = state.limits.backoff_s * 2**state.retries * spread
        wait = full if reading.retry_after_s is None else reading.retry_after_s
        return _call(replace(state, retries=state.retries + 1), elapsed_s, wait, "retry")
    return None


def _next_model(state: State, elapsed_s: float) -> tuple[State, Step] | None:
    if state.at + 1 >= len(state.chain):
        return None
    return _call(replace(state, at=state.at + 1, retries=0, repairs=0), elapsed_s, 0.0, "first")


def _call(
    state: State, elapsed_s: float, wait_s: float, kind: Literal["first", "retry", "repair"]
) -> tuple[State, Step] | None:
    """The call, if the cap and the deadline leave room for it."""
    left = state.limits.deadline_s - elapsed_s - wait_s
    if state.calls >= state.limits.max_calls or left < state.limits.min_call_s:
        return None
    candidate = state.chain[state.at]
    call = Call(candidate.model, min(candidate.timeout_s, left), wait_s, kind)
    return replace(state, calls=state.calls + 1), call


def _abstain(state: State, row: Row, reading: Reading, elapsed_s: float) -> Abstain:
    """Name what stopped it: the cap or the deadline where another call was due, else the last failure."""
    due = state.at + 1 < len(state.chain) or state.retries < row.retries or state.repairs < row.repairs
    if due and state.calls >= state.limits.max_calls:
        return Abstain(AbstainReason.CALL_CAP, f"{state.calls} calls without a decision; the last: {reading.detail}")
    if due and state.limits.deadline_s - elapsed_s < state.limits.min_call_s:
        seconds = f"{state.limits.deadline_s:g} s"
        return Abstain(AbstainReason.TIMEOUT, f"the deadline of {seconds} has passed; the last: {reading.detail}")
    return Abstain(row.reason, reading.detail)
