"""Read models in memory, with the meaning that MongoDB gives to the same changes."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from libs.analytics.trades import Trade, in_order
from libs.records.collections import DECISIONS, RANK, TRADES
from libs.records.trades import trade_of
from services.ledger.domain.upserts import Advance, Guard, Upserts

Document = dict[str, Any]


class ReadModels:
    """Collections of documents by their ids."""

    def __init__(self) -> None:
        self.collections: dict[str, dict[str, Document]] = defaultdict(dict)

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

    def trades_of(self, account_id: str, limit: int) -> list[Trade]:
        found = [d for d in self.collections[TRADES].values() if d["account_id"] == account_id and "closed_at" in d]
        rows = [trade_of(document | {"strategy_id": None}) for document in found]
        return in_order(rows)[-limit:]

    def endings_of(self, account_id: str, since: datetime, until: datetime) -> tuple[int, int]:
        found = [
            d
            for d in self.collections[DECISIONS].values()
            if d["account_id"] == account_id and since < d.get("terminal_at", since) <= until
        ]
        return sum(d["status"] == "abstained" for d in found), len(found)


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
