"""The decider's ports in memory, and the dependencies that a test builds from them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from libs.configuration.templates import JinjaTemplates
from libs.runtime.clock import WallClock
from libs.schemas.account import Account
from libs.schemas.decision import DecisionProposed
from libs.schemas.models import ModelsConfig
from libs.schemas.venue import VenueSymbol
from services.decider.application import models_file
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.policy import CallLimits
from services.decider.domain.replies import Outcome, Reply
from services.decider.ports import AnswerStore, Deps, Gate, Models, StoreAway
from tests.fakes.decider_contexts import NOW
from tests.fakes.decider_gate import MemoryIncidents, ScriptedGate

CONFIG = Path(__file__).parents[2] / "config"


class StoppedClock(WallClock):
    """Market time stands at `at`; the monotonic clock moves only by `pass_time`."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at
        self.seconds = 100.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds


class ScriptedModels:
    """Answers by a script; what is called is kept. `took_s` of each step passes on the clock."""

    def __init__(self, clock: StoppedClock, *script: Reply | str, took_s: float = 0.1) -> None:
        self.clock = clock
        self.script = list(script)
        self.took_s = took_s
        self.calls: list[tuple[str, tuple[Mapping[str, str], ...], float]] = []

    async def call(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]], timeout_s: float) -> Reply:
        self.calls.append((entry.id, tuple(messages), timeout_s))
        step = self.script.pop(0)
        took = min(self.took_s, timeout_s)
        self.clock.pass_time(took)
        if isinstance(step, Reply):
            return step.model_copy(update={"model": entry.id, "latency_ms": took * 1000})
        return Reply(model=entry.id, outcome=Outcome.ANSWERED, text=step, latency_ms=took * 1000)


class MemoryAnswers:
    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.replies: dict[str, dict[int, Reply]] = {}
        self.claims: set[str] = set()

    async def kept(self, decision_id: str) -> list[Reply]:
        if self.away:
            raise StoreAway("it is away in this test")
        return [reply for _, reply in sorted(self.replies.get(decision_id, {}).items())]

    async def keep(self, decision_id: str, attempt: int, reply: Reply) -> Reply:
        if self.away:
            raise StoreAway("it is away in this test")
        return self.replies.setdefault(decision_id, {}).setdefault(attempt, reply)

    @asynccontextmanager
    async def claim(self, call_id: str) -> AsyncIterator[bool]:
        ours = call_id not in self.claims
        if ours:
            self.claims.add(call_id)
        try:
            yield ours
        finally:
            if ours:
                self.claims.discard(call_id)


class BytesPerToken:
    """Counts a token for every two bytes."""

    async def prepare(self, entry: CatalogueEntry) -> None:
        pass

    def count(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]]) -> int:
        return sum(len(message["content"].encode()) for message in messages) // 2


class MemoryAccounts:
    def __init__(
        self, *accounts: Account, models: ModelsConfig | None = None, venue: Sequence[VenueSymbol] = ()
    ) -> None:
        self.models = models
        self.venue = {(each.venue, each.symbol): each for each in venue}
        self.accounts: dict[str, Account] = {account.account_id: account for account in accounts}

    def account(self, account_id: str) -> Account | None:
        return self.accounts.get(account_id)

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        return self.venue.get((venue, symbol))


def deps(
    models: Models,
    clock: StoppedClock,
    *,
    answers: AnswerStore | None = None,
    default_model: str = "builtin/trend",
    limits: CallLimits | None = None,
    accounts: MemoryAccounts | None = None,
    gate: Gate | None = None,
    shadow_gate: Gate | None = None,
    observe: Callable[[DecisionProposed], None] | None = None,
) -> Deps:
    async def sleep(seconds: float) -> None:
        clock.pass_time(seconds)

    return Deps(
        clock=clock,
        accounts=accounts or MemoryAccounts(),
        catalogue=models_file.load(CONFIG),
        default_model=default_model,
        models=models,
        answers=answers or MemoryAnswers(),
        gate=gate or ScriptedGate(),
        shadow_gate=shadow_gate or ScriptedGate(),
        incidents=MemoryIncidents(),
        templates=JinjaTemplates(),
        tokens=BytesPerToken(),
        limits=limits or CallLimits(),
        concurrency=4,
        sleep=sleep,
        observe=observe or (lambda proposal: None),
    )
