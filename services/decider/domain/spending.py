"""What the log says was spent: proposals folded into the counters of the present UTC hour and day."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.schemas.decision import TokenUsage
from services.decider.domain import budget
from services.decider.domain.budget import GLOBAL, NANO, Amount
from services.decider.domain.catalogue import CatalogueEntry

HOUR_S = 3_600
DAY_S = 86_400
FOREIGN_TOKENS = 8_000  # an answer's length where no parameter bounds it
CHARS_PER_TOKEN = 2  # pessimistic: English has about four
UNBILLED = ("auth", "rate_limited", "budget")
Find = Callable[[str], CatalogueEntry | None]


@dataclass(slots=True)
class Counters:
    """One scope's, in nano-dollars and tokens."""

    usd_per_hour: int = 0
    tokens_per_hour: int = 0
    usd_per_day: int = 0
    tokens_per_day: int = 0


@dataclass(slots=True)
class Spending:
    """Of the day and the hour that hold `at`, in seconds since the epoch. `find` gives a model's catalogue entry."""

    at: int
    find: Find
    unpriced_usd: float
    scopes: dict[str, Counters] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @property
    def day_begins(self) -> int:
        return self.at // DAY_S * DAY_S

    def add(self, proposal: Mapping[str, Any], stored_at: int) -> None:
        """Count the calls of one `decision.proposed` as it lies in the log. Raises KeyError, TypeError or ValueError
        for another shape."""
        if stored_at // DAY_S != self.at // DAY_S:
            return
        this_hour = stored_at // HOUR_S == self.at // HOUR_S
        for call in proposal["calls"]:
            self.seen.add(f"{proposal['decision_id']}:{call['attempt']}")
            entry = self.find(call["model_requested"])
            if entry is not None and entry.is_free:
                continue
            amount = cost_of(call, entry, self.unpriced_usd)
            for scope in (GLOBAL, budget.scope_of(proposal["account_id"])):
                self._count(scope, amount, this_hour=this_hour)

    def _count(self, scope: str, amount: Amount, *, this_hour: bool) -> None:
        counters = self.scopes.setdefault(scope, Counters())
        counters.usd_per_day += amount.usd
        counters.tokens_per_day += amount.tokens
        if this_hour:
            counters.usd_per_hour += amount.usd
            counters.tokens_per_hour += amount.tokens


def cost_of(call: Mapping[str, Any], entry: CatalogueEntry | None, unpriced_usd: float) -> Amount:
    """What a recorded call counts as, by the same rule as when it was settled (budget.final); the reservation itself is
    not in the log, so where it stands the longest possible answer is assumed."""
    cost, usage, outcome = call.get("cost_usd"), call.get("usage"), call["outcome"]
    if call.get("cost_source") == "refused":
        return Amount(0, 0)
    if usage is None and cost is None and outcome in UNBILLED:
        return Amount(0, 0)
    tokens = _longest(call) if usage is None else _counted(TokenUsage.model_validate(usage))
    if cost is not None:
        return Amount(budget.nano(cost), tokens)
    priced = entry is not None and entry.price is not None
    if not priced and outcome not in ("timeout", "unavailable"):
        return Amount(0, tokens)
    rate = max(entry.price.input, entry.price.output) if entry is not None and entry.price else unpriced_usd
    return Amount(min(int(tokens * rate * NANO / 1e6) + 1, budget.EXACT), tokens)


def _counted(usage: TokenUsage) -> int:
    return usage.prompt + usage.completion


def _longest(call: Mapping[str, Any]) -> int:
    longest = call.get("params", {}).get("max_tokens") or FOREIGN_TOKENS
    return (len(call["system_prompt"]) + len(call["user_prompt"])) // CHARS_PER_TOKEN + int(longest)
