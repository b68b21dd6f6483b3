"""What the decider needs from outside, and the values that its handlers are given."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from libs.configuration.templates import RenderedPage, TemplateFailed
from libs.runtime.clock import Clock
from libs.schemas.account import Account
from libs.schemas.decision import DecisionProposed
from libs.schemas.models import ModelsConfig
from libs.schemas.venue import VenueSymbol
from services.decider.domain.authentication import Check
from services.decider.domain.catalogue import Catalogue, CatalogueEntry
from services.decider.domain.gate import Admitted, Denied, WorstCase
from services.decider.domain.policy import CallLimits
from services.decider.domain.replies import Reply
from services.decider.domain.settlement import Settlement

__all__ = [
    "DeciderConfiguration",
    "AnswerStore",
    "Deps",
    "Models",
    "StoreAway",
    "TemplateFailed",
    "Templates",
    "Tokens",
]


class Models(Protocol):
    """The one way to a model. Every failure of a call is a Reply; nothing is retried behind it."""

    async def call(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]], timeout_s: float) -> Reply: ...


class StoreAway(Exception):
    """The store of answers cannot be reached."""


class AnswerStore(Protocol):
    """Replies by decision id, in the order of the calls, for 24 hours. `kept` and `keep` raise StoreAway."""

    async def kept(self, decision_id: str) -> list[Reply]: ...
    async def keep(self, decision_id: str, attempt: int, reply: Reply) -> Reply:
        """Keep the reply of call `attempt` (from 1). Returns the one that counts: what is there already stays."""
        ...

    def claim(self, call_id: str) -> AbstractAsyncContextManager[bool]:
        """Whether this call is ours to make, for as long as the context lasts; False while another worker makes it.
        The claim of a worker that dies lapses within seconds. True where the store is away: the gate decides then."""
        ...


class Gate(Protocol):
    """What stands before each call: the breaker of provider and model, rate limits, budgets.

    `call_id` is "<decision_id>:<attempt>". Each admission is one call that may cost something: a redelivered context
    that has to call again reserves again, and one that finds the answer kept settles under the ticket KEPT. To settle
    twice counts once. Neither raises for a store that is away: paid models are then Denied(BUDGET_UNAVAILABLE).
    """

    async def admit(
        self, call_id: str, account: Account | None, entry: CatalogueEntry, worst: WorstCase
    ) -> Admitted | Denied:
        """Reserve the worst case of a call, or say why it is not made."""
        ...

    async def settle(self, ticket: Admitted, settlement: Settlement) -> None:
        """What the call came to."""
        ...


class Incidents(Protocol):
    """What is wrong with a provider or a model and has been announced, shared by all workers."""

    async def begin(self, key: str, now: datetime) -> datetime | None:
        """When the incident began, for the announcement; None where this process has announced it."""
        ...

    async def end(self, key: str) -> None: ...


class KeyProof(Protocol):
    async def validate_authentication(self, provider: str, models: Sequence[str], now: datetime) -> Check:
        """Whether the provider takes its key, for nothing. Every failure is a Check; nothing is raised."""
        ...


class Templates(Protocol):
    def page(self, template: str, variables: Mapping[str, Any]) -> RenderedPage:
        """Strict and bounded: raises TemplateFailed for a name that is not defined, and for too much work."""
        ...


class Tokens(Protocol):
    async def prepare(self, entry: CatalogueEntry) -> None:
        """What comes before the first count of this model."""
        ...

    def count(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]]) -> int:
        """Tokens of the messages for this model, without asking anybody."""
        ...


class DeciderConfiguration(Protocol):
    """The configuration of accounts as it is now, and of the models that decide."""

    @property
    def models(self) -> ModelsConfig | None: ...

    def account(self, account_id: str) -> Account | None: ...
    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None: ...


@dataclass(frozen=True, slots=True)
class Deps:
    clock: Clock
    accounts: DeciderConfiguration
    catalogue: Catalogue
    default_model: str  # or a chain "a,b,c": who decides where nobody says otherwise
    models: Models
    answers: AnswerStore
    gate: Gate
    shadow_gate: Gate  # of shadow arms: the same budgets and rates, of which they leave a part to the others
    incidents: Incidents
    templates: Templates
    tokens: Tokens
    limits: CallLimits
    concurrency: int
    sleep: Callable[[float], Awaitable[None]]
    observe: Callable[[DecisionProposed], None]
    session: str | None = None
