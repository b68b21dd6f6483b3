"""What the ledger needs from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.analytics.excursions import PathBar
from libs.analytics.forward import Closes
from libs.analytics.trades import Trade
from libs.invariants.seals import Seal, SealedMessage, SealHead
from libs.runtime.clock import Clock
from services.ledger.domain.advisories import StoredMessage
from services.ledger.domain.outcomes import OutcomeDue, PathSeen, PriceAfter, UnseenTrade
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


class OutcomeStore(Protocol):
    """`come`: by symbol, how far the market is. Raise what the worker's `away` names."""

    async def due(self, come: Mapping[str, datetime]) -> list[OutcomeDue]:
        """Outcomes whose next horizon ended by then, longest ago first; not more than a bounded number."""

    async def unseen(self, come: Mapping[str, datetime]) -> list[UnseenTrade]:
        """Trades that were closed by then and whose path nobody has looked up; not more than a bounded number."""

    async def learn(self, prices: Sequence[PriceAfter], paths: Sequence[PathSeen]) -> None:
        """Write each where it is still what it was when it was read."""


class CandleReader(Protocol):
    """The candles of the log, followed."""

    def newest(self) -> dict[str, datetime]:
        """By symbol, when the last one closed."""

    def closes(self, symbol: str) -> Closes: ...
    def bars(self, symbol: str) -> list[PathBar]: ...


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


class SealStore(Protocol):
    """Seals are added and never changed, but for whether they were told. Raise what the worker's `away` names."""

    async def swept(self) -> Mapping[str, int]:
        """By stream the sequence up to which every account is sealed."""

    async def sweep(self, through: Mapping[str, int]) -> None: ...
    async def heads(self, accounts: Sequence[str]) -> Mapping[str, SealHead]: ...
    async def append(self, seal: Seal) -> bool:
        """False where the account has a seal of this number already."""

    async def untold(self) -> Sequence[Seal]: ...
    async def told(self, seals: Sequence[Seal]) -> None: ...


class SealTail(Protocol):
    """The sealed streams from where they were swept on, as digests."""

    async def begin(self, swept: Mapping[str, int]) -> None: ...
    def through(self) -> Mapping[str, int]: ...
    def messages(self) -> Sequence[SealedMessage]: ...
    def forget(self, through: Mapping[str, int]) -> None: ...
