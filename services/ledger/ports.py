"""What the ledger needs from outside."""

from dataclasses import dataclass
from typing import Protocol

from libs.runtime.clock import Clock
from services.ledger.domain.advisories import StoredMessage
from services.ledger.domain.upserts import Upserts


class Store(Protocol):
    async def apply(self, upserts: Upserts) -> None:
        """Apply changes in their order; repeating them changes nothing. Raises what the worker's `away` names."""


class Log(Protocol):
    async def stored(self, stream: str, sequence: int) -> StoredMessage | None:
        """A message of a stream, or None when the stream no longer holds it. Raises Unavailable."""

    async def before(self, key: str, revision: int) -> str | None:
        """What stood under a key of the configuration before a write of it; None where nothing did."""


@dataclass(frozen=True, slots=True)
class Deps:
    store: Store
    log: Log
    clock: Clock
    concurrency: int = 4
