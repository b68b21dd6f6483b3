"""What the decider needs from outside, and the values that its handlers are given."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from libs.runtime.clock import Clock
from libs.schemas.account import Account
from libs.schemas.decision import DecisionProposed
from services.decider.domain.catalogue import Catalogue, CatalogueEntry
from services.decider.domain.policy import Limits
from services.decider.domain.replies import Reply


class Models(Protocol):
    """The one way to a model. Every failure of a call is a Reply; nothing is retried behind it."""

    async def call(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]], timeout_s: float) -> Reply: ...


class StoreAway(Exception):
    """The store of answers cannot be reached."""


class AnswerStore(Protocol):
    """Replies by decision id, in the order of the calls, for 24 hours. Both methods raise StoreAway."""

    async def kept(self, decision_id: str) -> list[Reply]: ...
    async def keep(self, decision_id: str, attempt: int, reply: Reply) -> Reply:
        """Keep the reply of call `attempt` (from 1). Returns the one that counts: what is there already stays."""
        ...


class TemplateFailed(Exception):
    """A strategy's own template cannot be rendered; the message says why in one line."""


class Templates(Protocol):
    def render(self, template: str, variables: Mapping[str, Any]) -> str:
        """Strict: raises TemplateFailed for a name that is not defined."""
        ...


class Accounts(Protocol):
    """The configuration of accounts as it is now."""

    def account(self, account_id: str) -> Account | None: ...


@dataclass(frozen=True, slots=True)
class Deps:
    clock: Clock
    accounts: Accounts
    catalogue: Catalogue
    default_model: str
    models: Models
    answers: AnswerStore
    templates: Templates
    limits: Limits
    concurrency: int
    sleep: Callable[[float], Awaitable[None]]
    observe: Callable[[DecisionProposed], None]
