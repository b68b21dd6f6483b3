"""Order plans in MongoDB: in the account's document until they are carried out, then in the history."""

from collections.abc import Iterable, Sequence

from pymongo import UpdateOne
from pymongo.asynchronous.database import AsyncDatabase

from libs.records.collections import ACCOUNTS, ORDER_INTENTS, ORDER_PLANS
from libs.runtime.failpoints import hit
from libs.runtime.mongo import Document
from libs.schemas.orders import TERMINAL_STATES, OrderEvent, OrderIntent, OrderPlan
from services.executor.adapters.accounts import MongoAccounts
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.changes import Outgoing
from services.executor.domain.plan import orders
from services.executor.ports.venues import Stored

PLANNED_AT = "planned_at"


class MongoPlans:
    """A plan and what it holds of the account are one write of one document: a transaction that a killed process leaves
    behind would lock the account for a minute (docs/decisions/0025)."""

    def __init__(self, db: AsyncDatabase[Document], accounts: MongoAccounts) -> None:
        self._documents = db[ACCOUNTS]
        self._history = db[ORDER_PLANS]
        self._intents = db[ORDER_INTENTS]
        self._accounts = accounts

    async def find(self, account_id: str, decision_id: str) -> Stored[OrderPlan] | None:
        wanted = {"_id": account_id, "plans._id": decision_id}
        holder = await self._documents.find_one(wanted, {"plans.$": 1})
        found = holder["plans"][0] if holder else await self._history.find_one({"_id": decision_id})
        return Stored(_plan(found)) if found else None

    async def store(
        self, plan: OrderPlan, before: AccountBook, after: AccountBook, fence: int, outbox: Sequence[Outgoing]
    ) -> Stored[OrderPlan]:
        await self._accounts.write(before, after, fence, outbox, _plan_document(plan))
        return Stored(plan)

    def orders(self, plan: Stored[OrderPlan]) -> Sequence[Stored[WorkingOrder]]:
        """A stored plan's orders are stored orders."""
        return tuple(Stored(order) for order in orders(plan.value))

    async def keep(self, plans: Sequence[Stored[OrderPlan]]) -> None:
        """Before they leave their account: a kill in between leaves them in both, and doing this again mends that."""
        entries = [_plan_document(plan.value) | {"state": "done"} for plan in plans]
        writes = [UpdateOne({"_id": entry["_id"]}, {"$set": entry}, upsert=True) for entry in entries]
        if writes:
            await self._history.bulk_write(writes, ordered=False)
            hit("executor.after_history")

    async def unfinished(self, account_ids: Sequence[str]) -> Sequence[Stored[OrderPlan]]:
        """Plans that were stored and not submitted, oldest first."""
        wanted = {"_id": {"$in": list(account_ids)}, "plans.0": {"$exists": True}}
        found = await self._documents.find(wanted, {"plans": 1}).to_list()
        plans = [plan for entry in found for plan in entry["plans"]]
        return tuple(Stored(_plan(plan)) for plan in sorted(plans, key=lambda plan: plan[PLANNED_AT]))

    async def project(self, events: Iterable[OrderEvent]) -> None:
        """An intent is written once, when it has ended: until then its plan and its account tell of it."""
        ended = [_intent_document(event.intent) for event in events if event.intent.state in TERMINAL_STATES]
        writes = [UpdateOne({"_id": entry["_id"]}, {"$setOnInsert": entry}, upsert=True) for entry in ended]
        if writes:
            await self._intents.bulk_write(writes, ordered=False)


def _plan_document(plan: OrderPlan) -> Document:
    return {"_id": plan.plan_id, **plan.model_dump(mode="json"), PLANNED_AT: plan.planned_at}


def _plan(found: Document) -> OrderPlan:
    return OrderPlan.model_validate(found)


def _intent_document(intent: OrderIntent) -> Document:
    return {"_id": intent.client_order_id, **intent.model_dump(mode="json")}
