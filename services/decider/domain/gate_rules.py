"""What the gate goes by, as it is set for all workers."""

from dataclasses import dataclass, field

from libs.schemas.account import Budgets
from services.decider.domain.breaker import BreakerRules

YIELD_PART = 0.2


@dataclass(frozen=True, slots=True)
class GateRules:
    """What the gate goes by beside an account's own limits. `unpriced_usd`: dollars a million tokens that stand for a
    price that nobody knows; `patience_s`: how long a call waits for the first sign of life of a provider.

    `yields`: the rules of shadow arms. They may use budgets and rates only so far that YIELD_PART of each is left to
    decisions that count, and have circuits of their own: what fails in a shadow opens nobody else's, takes nobody's
    probe, and proves nothing.
    """

    breaker: BreakerRules = field(default_factory=BreakerRules)
    provider_rate: int | None = None
    budgets: Budgets = field(default_factory=Budgets)
    unpriced_usd: float = 30.0
    patience_s: float = 3.0
    yields: bool = False
