"""What models may cost: limits, reservations, and what a call came to. Whole nano-dollars, so that nothing drifts.

The counters themselves are kept in Redis (adapters/lua). Periods are UTC hours and days of wall time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from libs.schemas.account import Account, Budgets
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.gate import WorstCase
from services.decider.domain.replies import NOT_CHARGED, Outcome

NANO = 1_000_000_000
EXACT = 2**53 - 1  # Lua counts in doubles
GLOBAL = "global"
UNITS: Mapping[str, str] = {
    "usd_per_hour": "this hour",
    "tokens_per_hour": "this hour",
    "usd_per_day": "today (UTC)",
    "tokens_per_day": "today (UTC)",
}


@dataclass(frozen=True, slots=True)
class Amount:
    """Nano-dollars and tokens."""

    usd: int
    tokens: int


@dataclass(frozen=True, slots=True)
class BudgetScope:
    """Who spends: `global`, or `account:<id>`; with the limits that are set, in nano-dollars and tokens."""

    id: str
    limits: Mapping[str, int]


def scope_of(account_id: str) -> str:
    """The name of an account's counters; no account can be called like the global ones."""
    return f"account:{account_id}"


def nano(usd: float, *, up: bool = True) -> int:
    """Exact from the shortest decimal that is this float: 0.1 is a tenth. Rounded to the safe side."""
    whole = (Decimal(repr(usd)) * NANO).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return min(int(whole), EXACT)


def limits_of(budgets: Budgets) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in UNITS:
        bound = getattr(budgets, name)
        if bound is not None:
            found[name] = nano(bound, up=False) if name.startswith("usd") else min(bound, EXACT)
    return found


def scopes(account: Account | None, everyone: Budgets) -> tuple[BudgetScope, ...]:
    """The counters that a call of this account goes into."""
    whole = BudgetScope(GLOBAL, limits_of(everyone))
    return (whole, BudgetScope(scope_of(account.account_id), limits_of(account.budgets))) if account else (whole,)


def reserved(worst: WorstCase, unpriced_usd: float) -> Amount:
    """What is set aside before a call. Without a price, `unpriced_usd` dollars a million tokens stand for it."""
    usd = worst.tokens * unpriced_usd / 1e6 if worst.usd is None else worst.usd
    return Amount(nano(usd), worst.tokens)


def final(held: Amount, entry: CatalogueEntry, cost_usd: float | None, tokens: int | None, outcome: Outcome) -> Amount:
    """What a call is counted as in the end. What nobody knows stays at its worst case, with two exceptions: a call that
    was refused before any work cost nothing; and an answer of a model without a price counts in tokens only."""
    if cost_usd is None and tokens is None and outcome in NOT_CHARGED:
        return Amount(0, 0)
    counted = held.tokens if tokens is None else tokens
    if cost_usd is not None:
        return Amount(nano(cost_usd), counted)
    answered = outcome not in (Outcome.TIMEOUT, Outcome.UNAVAILABLE)
    return Amount(0 if entry.price is None and answered else held.usd, counted)


def shown(limit: str, value: int) -> str:
    """A counter for people."""
    return f"${value / NANO:,.4g}" if limit.startswith("usd") else f"{value:,} tokens"


def owner(scope: str) -> str:
    return "all accounts" if scope == GLOBAL else f"account {scope.removeprefix('account:')}"


def complaint(scope: str, limit: str, used: int, bound: int, want: int) -> str:
    """One line: which limit, how far it is used, what the call could have cost, what to do."""
    where = f"PERPETUA_BUDGET_{limit.upper()}" if scope == GLOBAL else f"the account's budgets.{limit}"
    return (
        f"{owner(scope)}: {shown(limit, used)} of {shown(limit, bound)} are spent or reserved {UNITS[limit]}, and this "
        f"call could cost {shown(limit, want)}: wait for the next period or raise {where}"
    )


def wanted(limit: str, amount: Amount) -> int:
    return amount.usd if limit.startswith("usd") else amount.tokens
