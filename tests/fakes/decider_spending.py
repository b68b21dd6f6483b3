"""Models, accounts and a log of spending for tests of the gate, and a gate over a real Redis."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from libs.runtime.clock import Clock, WallClock
from libs.schemas.account import Account, Budgets
from libs.schemas.analytics import Alert
from services.decider.adapters.gate import RedisGate
from services.decider.adapters.rebuild import Rebuild
from services.decider.adapters.scripts import Scripts
from services.decider.domain.catalogue import CatalogueEntry, ModelPrice
from services.decider.domain.gate_rules import GateRules
from services.decider.domain.spending import Spending
from tests import builders

PAID = CatalogueEntry(
    id="openrouter/openai/gpt-5", provider="openrouter", price=ModelPrice(input=1, output=10), context_tokens=100_000
)
UNPRICED = CatalogueEntry(id="openrouter/x-ai/grok-4", provider="openrouter", context_tokens=100_000)
FREE = CatalogueEntry(
    id="openai-compatible/own",
    provider="openai-compatible",
    price=ModelPrice(input=0, output=0),
    context_tokens=100_000,
)
RULE = CatalogueEntry(
    id="builtin/trend", provider="builtin", price=ModelPrice(input=0, output=0), context_tokens=100_000
)


def account(name: str = "scalper", *, rate_limit: int = 60, **budgets: Any) -> Account:
    return builders.account(
        name, strategy_id="scalping", leverage=Decimal(1), rate_limit=rate_limit, budgets=Budgets(**budgets)
    )


class MemoryLog:
    """Proposals as (stored at, body); `in_hand` is what all workers hold."""

    def __init__(self, *records: tuple[int, Mapping[str, Any]], in_hand: int = 0) -> None:
        self.records = list(records)
        self.in_hand = in_hand
        self.reads = 0

    async def contexts_in_hand(self) -> int:
        return self.in_hand

    async def read(self, spending: Spending) -> None:
        self.reads += 1
        for stored_at, body in self.records:
            spending.add(body, stored_at)


def gate(
    url: str,
    rules: GateRules | None = None,
    *,
    log: MemoryLog | None = None,
    clock: Clock | None = None,
    holder: str = "w",
    alert: Callable[[Alert], None] = lambda alert: None,
) -> tuple[RedisGate, Scripts]:
    """A gate and its connection, to be stopped by the test."""
    rules, clock, scripts = rules or GateRules(), clock or WallClock(), Scripts(url)
    entries = {entry.id: entry for entry in (PAID, UNPRICED, FREE, RULE)}

    def fresh(at: int) -> Spending:
        return Spending(at, entries.get, rules.unpriced_usd)

    rebuild = Rebuild(scripts, log or MemoryLog(), clock, fresh, holder=holder)
    return RedisGate(scripts, rules, clock, rebuild, alert), scripts
