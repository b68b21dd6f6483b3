"""Accounts in MongoDB: compare-and-set on the version and the lease's fencing number, outbox in the same write."""

from collections.abc import Sequence

from pydantic import ValidationError
from pymongo import UpdateMany
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from libs.records.collections import ACCOUNTS
from libs.runtime.errors import Conflict
from libs.runtime.failpoints import hit
from libs.runtime.mongo import Document
from services.executor.adapters.documents import book_of, changed, document, outbox_entry, outgoing
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import Outgoing
from services.executor.ports import Fenced, StoredAccount, TakenPartition

UNREADABLE: tuple[type[Exception], ...] = (ValidationError, LookupError, TypeError, AttributeError)


class MongoAccounts:
    def __init__(self, db: AsyncDatabase[Document]) -> None:
        self._accounts = db[ACCOUNTS]

    async def load(self, account_id: str) -> StoredAccount | None:
        found = await self._accounts.find_one({"_id": account_id})
        return _account(found) if found else None

    async def take(self, partition: int, fence: int) -> TakenPartition:
        """Put the new fencing number on every account of the partition, then read them: from here on the former
        holder's writes fail. A document that cannot be read keeps its own account closed, not its neighbours."""
        await self._accounts.update_many({"partition": partition}, {"$max": {"fence": fence}})
        found = await self._accounts.find({"partition": partition}).to_list()
        if any(entry.get("fence", 0) > fence for entry in found):
            raise Fenced(f"partition {partition} was taken by another process")
        accounts, unreadable = [], {}
        for entry in found:
            try:
                accounts.append(_account(entry))
            except UNREADABLE as error:
                unreadable[str(entry["_id"])] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return TakenPartition(tuple(accounts), unreadable)

    async def create(self, book: AccountBook, fence: int) -> bool:
        """False where the account exists already."""
        try:
            await self._accounts.insert_one(document(book, fence))
        except DuplicateKeyError:
            return False
        return True

    async def write(
        self,
        before: AccountBook,
        after: AccountBook,
        fence: int,
        outbox: Sequence[Outgoing],
        plan: Document | None = None,
    ) -> None:
        """One write: the book, the events that tell of it and, where there is one, the plan that it holds money for."""
        update: Document = {"$set": {**changed(before, after), "fence": fence}}
        pushed = {"outbox": [outbox_entry(event) for event in outbox], "plans": [plan] if plan else []}
        if any(pushed.values()):
            update["$push"] = {name: {"$each": entries} for name, entries in pushed.items() if entries}
        wanted = {"_id": before.account_id, "version": before.version, "fence": {"$lte": fence}}
        hit("executor.before_write")
        result = await self._accounts.update_one(wanted, update)
        hit("executor.after_write")
        if not result.matched_count:
            await self._explain(before, fence)

    async def _explain(self, before: AccountBook, fence: int) -> None:
        found = await self._accounts.find_one({"_id": before.account_id}, {"fence": 1, "version": 1})
        if found and found["fence"] > fence:
            raise Fenced(f"{before.account_id} is held under {found['fence']}, not under {fence}")
        version = found["version"] if found else None
        raise Conflict(f"{before.account_id} is at version {version}, not at {before.version}")

    async def checkpoint(self, books: Sequence[AccountBook], fence: int) -> None:
        """Remember how far each account has seen the market, in one operation for all that have seen as much. No new
        version: nothing else changed. A document that is newer than its book has seen as much, or more."""
        seen: dict[int, list[str]] = {}
        for book in books:
            seen.setdefault(book.market_sequence, []).append(book.account_id)
        writes = [
            UpdateMany({"_id": {"$in": names}, "fence": fence}, {"$max": {"market_sequence": sequence}})
            for sequence, names in seen.items()
        ]
        if writes:
            await self._accounts.bulk_write(writes, ordered=False)
            hit("executor.after_checkpoint")

    async def clear(self, account_id: str, event_ids: Sequence[str], plan_ids: Sequence[str] = ()) -> None:
        gone: Document = {"outbox": {"event_id": {"$in": list(event_ids)}}}
        if plan_ids:
            gone["plans"] = {"_id": {"$in": list(plan_ids)}}
        await self._accounts.update_one({"_id": account_id}, {"$pull": gone})


def _account(found: Document) -> StoredAccount:
    return StoredAccount(book_of(found), found["fence"], tuple(outgoing(entry) for entry in found["outbox"]))
