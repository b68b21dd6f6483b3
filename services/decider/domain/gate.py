"""What stands before a call that may cost something: breaker, rate limits, budgets. Values only."""

from dataclasses import dataclass
from enum import StrEnum


class Denial(StrEnum):
    """Why a call is not made."""

    BREAKER_OPEN = "breaker_open"
    KEY_REFUSED = "key_refused"  # or its credit is gone: only a person can put that right
    RATE_LIMITED = "rate_limited"
    BUDGET = "budget"
    BUDGET_UNAVAILABLE = "budget_unavailable"
    TOO_LONG = "too_long"  # for the model's context


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call may be made, and is settled under this ticket. `probe`: it alone tries an open breaker. `waited_s` were
    spent on a provider's first sign of life, or on counters that were lost."""

    ticket: str
    probe: bool = False
    waited_s: float = 0.0


KEPT = Admitted("")  # the ticket of an answer that an earlier delivery has paid for


@dataclass(frozen=True, slots=True)
class Denied:
    """`detail` is one line that says what is wrong and what to do; `retry_after_s` wall seconds, where it is known."""

    why: Denial
    detail: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most that a call can cost. `usd` None: no price is known, then tokens count."""

    usd: float | None
    tokens: int
