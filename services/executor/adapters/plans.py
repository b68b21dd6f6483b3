"""Order plans and intents in MongoDB: a plan, its intents and its reservation are one transaction."""

from collections.abc import Iterable, Sequence

from pymongo import AsyncMongoClient, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError

from libs.runtime.mongo import Document
from libs.schemas.orders import TERMINAL_STATES, OrderEvent, OrderIntent, OrderPlan
from services.executor.adapters.accounts import MongoAccounts
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.changes import Outgoing
from services.executor.domain.plan import orders
from services.executor.ports import AlreadyPlanned, Stored

DUPLICATE = 11000


class MongoPlans:
    def __init__(
        self, client: AsyncMongoClient[Document], db: AsyncDatabase[Document], accounts: MongoAccounts
    ) -> None:
        self._client = client
        self._plans = db["order_plans"]
        self._intents = db["order_intents"]
        self._accounts = accounts

    async def find(self, decision_id: str) -> Stored[OrderPlan] | None:
        found = await self._plans.find_one({"_id": decision_id})
        return Stored(_plan(found)) if found else None

    async def store(
        self, plan: OrderPlan, before: AccountBook, after: AccountBook, fence: int, outbox: Sequence[Outgoing]
    ) -> Stored[OrderPlan]:
        """The plan, its intents, and the account that holds the reservation. Raises AlreadyPlanned."""

        async def everything(session: AsyncClientSession) -> None:
            await self._plans.insert_one(_plan_document(plan), session=session)
            if plan.intents:
                await self._intents.insert_many([_intent_document(i) for i in plan.intents], session=session)
            await self._accounts.write(before, after, fence, outbox, session)

        try:
            async with self._client.start_session() as session:
                await session.with_transaction(everything)
        except DuplicateKeyError as error:
            raise AlreadyPlanned(plan.plan_id) from error
        except BulkWriteError as error:
            if any(e.get("code") == DUPLICATE for e in (error.details or {}).get("writeErrors", ())):
                raise AlreadyPlanned(plan.plan_id) from error
            raise
        return Stored(plan)

    def orders(self, plan: Stored[OrderPlan]) -> Sequence[Stored[WorkingOrder]]:
        """A stored plan's orders are stored orders."""
        return tuple(Stored(order) for order in orders(plan.value))

    async def done(self, decision_id: str) -> None:
        await self._plans.update_one({"_id": decision_id}, {"$set": {"state": "done"}})

    async def unfinished(self, account_ids: Sequence[str]) -> Sequence[Stored[OrderPlan]]:
        """Plans that were stored and not submitted, oldest first."""
        wanted = {"account_id": {"$in": list(account_ids)}, "state": "stored"}
        found = await self._plans.find(wanted).sort("planned_at").to_list()
        return tuple(Stored(_plan(entry)) for entry in found)

    async def project(self, events: Iterable[OrderEvent]) -> None:
        """Bring the intents to the state that the events tell; a terminal one stays. Repeating it changes nothing."""
        writes = [write for event in events for write in _projection(event)]
        if writes:
            await self._intents.bulk_write(writes, ordered=True)


def _projection(event: OrderEvent) -> list[UpdateOne]:
    entry = _intent_document(event.intent)
    key = entry.pop("_id")
    return [
        UpdateOne({"_id": key}, {"$setOnInsert": entry}, upsert=True),
        UpdateOne({"_id": key, "state": {"$nin": sorted(TERMINAL_STATES)}}, {"$set": entry}),
    ]


def _plan_document(plan: OrderPlan) -> Document:
    return {"_id": plan.plan_id, **plan.model_dump(mode="json"), "planned_at": plan.planned_at}


def _plan(found: Document) -> OrderPlan:
    return OrderPlan.model_validate(found)


def _intent_document(intent: OrderIntent) -> Document:
    return {"_id": intent.client_order_id, **intent.model_dump(mode="json")}
