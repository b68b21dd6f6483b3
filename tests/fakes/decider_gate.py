"""The gate before paid calls in memory: admits all, or denies by a script, and remembers what was settled."""

from collections import deque
from datetime import datetime

from libs.schemas.account import Account
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.gate import Admitted, Denied, WorstCase
from services.decider.domain.replies import Outcome
from services.decider.domain.settlement import Settlement


class ScriptedGate:
    """`then` lists what comes of the next admissions, None for an admission; after the script all are admitted."""

    def __init__(self, *then: Denied | None, for_good: dict[str, Denied] | None = None) -> None:
        self.script: deque[Denied | None] = deque(then)
        self.for_good = for_good or {}
        self.admitted: dict[str, WorstCase] = {}
        self.settled: dict[str, tuple[float | None, int | None, Outcome]] = {}

    async def admit(
        self, call_id: str, account: Account | None, entry: CatalogueEntry, worst: WorstCase
    ) -> Admitted | Denied:
        if call_id not in self.admitted:
            if denial := self.for_good.get(entry.id):
                return denial
            if self.script and (scripted := self.script.popleft()):
                return scripted
            self.admitted[call_id] = worst
        return Admitted(call_id)

    async def settle(self, ticket: Admitted, settlement: Settlement) -> None:
        came_to = (settlement.cost_usd, settlement.tokens, settlement.outcome)
        self.settled.setdefault(settlement.call_id, came_to)


class MemoryIncidents:
    def __init__(self) -> None:
        self.open: dict[str, datetime] = {}

    async def begin(self, key: str, now: datetime) -> datetime | None:
        if key in self.open:
            return None
        self.open[key] = now
        return now

    async def end(self, key: str) -> None:
        self.open.pop(key, None)
