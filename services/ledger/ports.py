"""What the ledger needs from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.analytics.trades import Trade
from libs.runtime.clock import Clock
from services.ledger.domain.advisories import StoredMessage
from services.ledger.domain.upserts import Upserts


class Store(Protocol):
    async def apply(self, upserts: Upserts) -> None:
        """Apply changes in their order; repeating them changes nothing. Raises what the worker's `away` names."""

    async def apply_together(self, changes: Sequence[Upserts]) -> Sequence[bool]:
        """Apply the changes of several events; false for each event that was refused, and has to be applied alone to
        learn why. Raises what the worker's `away` names."""

    async def recent_trades(self, account_id: str, limit: int) -> list[Trade]:
        """The trades that an account closed last, oldest first, each with the strategy of its decision."""

    async def endings(self, account_id: str, since: datetime, until: datetime) -> tuple[int, int]:
        """Of the live decisions that ended after `since` and until `until`: the abstentions, and all."""


class EventLog(Protocol):
    async def stored(self, stream: str, sequence: int) -> StoredMessage | None:
        """A message of a stream, or None when the stream no longer holds it. Raises Unavailable."""

    async def before(self, key: str, revision: int) -> str | None:
        """What stood under a key of the configuration before a write of it; None where nothing did."""


class Together(Protocol):
    """Collects the changes of events that come within a moment for `Store.apply_together`."""

    async def add(self, item: Upserts) -> bool: ...


@dataclass(frozen=True, slots=True)
class Deps:
    store: Store
    together: Together
    log: EventLog
    clock: Clock
    batch: int = 256
    max_drawdown_pct: float = 20.0
