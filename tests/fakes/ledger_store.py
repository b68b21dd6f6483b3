"""The ledger's ports in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from libs.analytics.trades import Trade
from services.ledger.domain.advisories import StoredMessage
from services.ledger.domain.upserts import Upserts
from services.ledger.ports import Deps
from simulation.readmodels import Document, ReadModels, set_fields
from tests.fakes.gateway_ports import StoppableClock

__all__ = ["AtOnce", "Document", "FakeLog", "FakeStore", "ledger_deps", "set_fields"]


class FakeStore(ReadModels):
    async def apply(self, upserts: Upserts) -> None:
        self.apply_now(upserts)

    async def apply_together(self, changes: Sequence[Upserts]) -> Sequence[bool]:
        for change in changes:
            self.apply_now(change)
        return [True] * len(changes)

    async def recent_trades(self, account_id: str, limit: int) -> list[Trade]:
        return self.trades_of(account_id, limit)

    async def endings(self, account_id: str, since: datetime, until: datetime) -> tuple[int, int]:
        return self.endings_of(account_id, since, until)

    def comparable(self) -> dict[str, dict[str, Document]]:
        """Contents; arrays that stand for sets are sorted."""
        return {
            name: {
                key: {f: sorted(v) if f in ("fill_ids", "event_ids") else v for f, v in document.items()}
                for key, document in documents.items()
            }
            for name, documents in self.collections.items()
        }


class AtOnce:
    """Collects nothing: each event is a batch of its own."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    async def add(self, item: Upserts) -> bool:
        (stored,) = await self._store.apply_together([item])
        return stored


class FakeLog:
    def __init__(self, messages: Mapping[tuple[str, int], StoredMessage]) -> None:
        self._messages = messages

    async def stored(self, stream: str, sequence: int) -> StoredMessage | None:
        return self._messages.get((stream, sequence))

    async def before(self, key: str, revision: int) -> str | None:
        return None


def ledger_deps(store: FakeStore, log: FakeLog) -> Deps:
    """What the ledger needs, in memory."""
    return Deps(store=store, together=AtOnce(store), log=log, clock=StoppableClock())
