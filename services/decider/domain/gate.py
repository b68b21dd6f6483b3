"""What stands before a call that may cost something: breaker, rate limits, budgets. Values only."""

from dataclasses import dataclass, field
from enum import StrEnum

from libs.schemas.account import Budgets
from services.decider.domain.breaker import BreakerRules


class Denial(StrEnum):
    """Why a call is not made."""

    BREAKER_OPEN = "breaker_open"
    RATE_LIMITED = "rate_limited"
    BUDGET = "budget"
    BUDGET_UNAVAILABLE = "budget_unavailable"


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call may be made, and is settled under this ticket. `probe`: it alone tries an open breaker."""

    ticket: str
    probe: bool = False


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


@dataclass(frozen=True, slots=True)
class GateRules:
    """What the gate goes by beside an account's own limits. `unpriced_usd`: dollars a million tokens that stand for a
    price that nobody knows; `patience_s`: how long a call waits for the first sign of life of a provider."""

    breaker: BreakerRules = field(default_factory=BreakerRules)
    provider_rate: int | None = None
    budgets: Budgets = field(default_factory=Budgets)
    unpriced_usd: float = 30.0
    patience_s: float = 3.0
