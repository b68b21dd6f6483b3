"""Read models in memory, with the meaning that MongoDB gives to the same changes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from libs.analytics.trades import Trade, in_order
from libs.records.collections import DECISIONS, RANK, TRADES
from libs.records.trades import trade_of
from services.ledger.domain.advisories import StoredMessage
from services.ledger.domain.upserts import Advance, Guard, Upserts
from services.ledger.ports import Deps
from tests.fakes.gateway_ports import StoppableClock

Document = dict[str, Any]


class FakeStore:
    def __init__(self) -> None:
        self.collections: dict[str, dict[str, Document]] = defaultdict(dict)

    async def apply(self, upserts: Upserts) -> None:
        self.apply_now(upserts)

    async def apply_together(self, changes: Sequence[Upserts]) -> Sequence[bool]:
        for change in changes:
            self.apply_now(change)
        return [True] * len(changes)

    def apply_now(self, upserts: Upserts) -> None:
        for upsert in upserts:
            documents = self.collections[upsert.collection]
            if upsert.key not in documents:
                documents[upsert.key] = {"_id": upsert.key}
                set_fields(documents[upsert.key], upsert.set_on_insert)
            document = documents[upsert.key]
            set_fields(document, upsert.set)
            for path, value in upsert.earliest.items():
                present = _get(document, path)
                set_fields(document, {path: value if present is None else min(present, value)})
            for guard in upsert.guards:
                _apply_guard(document, guard)

    async def recent_trades(self, account_id: str, limit: int) -> list[Trade]:
        found = [d for d in self.collections[TRADES].values() if d["account_id"] == account_id and "closed_at" in d]
        rows = [trade_of(document | {"strategy_id": None}) for document in found]
        return in_order(rows)[-limit:]

    async def endings(self, account_id: str, since: datetime, until: datetime) -> tuple[int, int]:
        found = [
            d
            for d in self.collections[DECISIONS].values()
            if d["account_id"] == account_id and since < d.get("terminal_at", since) <= until
        ]
        return sum(d["status"] == "abstained" for d in found), len(found)

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


def _apply_guard(document: Document, guard: Guard) -> None:
    if isinstance(guard, Advance):
        if document.get(RANK) is None or document[RANK] < guard.rank:
            set_fields(document, {RANK: guard.rank, **guard.set})
        return
    members = document.setdefault(guard.field, [])
    if guard.member not in members:
        document[guard.field] = [*members, guard.member]
        for path, value in guard.add.items():
            set_fields(document, {path: (_get(document, path) or Decimal(0)) + value})


def _get(document: Document, path: str) -> Any:
    here: Any = document
    for part in path.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    return here


def set_fields(document: Document, fields: Mapping[str, Any]) -> None:
    for path, value in fields.items():
        *parents, last = path.split(".")
        here = document
        for part in parents:
            here = here.setdefault(part, {})
        here[last] = value


def ledger_deps(store: FakeStore, log: FakeLog) -> Deps:
    """What the ledger needs, in memory."""
    return Deps(store=store, together=AtOnce(store), log=log, clock=StoppableClock())
