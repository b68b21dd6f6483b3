"""A system broken by hand, a promise at a time: what somebody with all rights, or a fault of ours, could have done."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from libs.records.collections import ACCOUNTS, DECISIONS, FILLS, ORDER_INTENTS, ORDER_PLANS, SEALS
from libs.runtime.mongo import Document
from tests.chaos.invariants import Log

Db = AsyncDatabase[Document]


@asynccontextmanager
async def without(db: Db, collection: str, name: str) -> AsyncIterator[None]:
    """While one document is gone."""
    gone = await db[collection].find_one_and_delete({"_id": name})
    assert gone is not None
    yield
    await db[collection].insert_one(gone)


@asynccontextmanager
async def saying(db: Db, collection: str, name: str, **fields: Any) -> AsyncIterator[None]:
    """While one document says something else."""
    before = await db[collection].find_one_and_update({"_id": name}, {"$set": fields})
    assert before is not None
    yield
    await db[collection].replace_one({"_id": name}, before)


async def documents(db: Db, log: Log) -> list[tuple[str, AbstractAsyncContextManager[None]]]:
    """Each promise of documents, with what breaks it for a while."""
    entry = next(m for m in log.of("order.filled") if m["intent"]["leg"] == "entry")
    decided = log.of("decision.proposed")[0]["decision_id"]
    account = await db[ACCOUNTS].find_one({"_id": entry["account_id"]}, {"wallet": 1})
    assert account is not None
    wallet = str(Decimal(account["wallet"]) + Decimal("0.00000001"))
    return [
        ("nothing of the log is missing", without(db, DECISIONS, decided)),
        ("nothing of the log is missing", without(db, FILLS, entry["fill"]["fill_id"])),
        ("every entry is at most one order", without(db, ORDER_PLANS, entry["decision_id"])),
        ("every intent has ended", without(db, ORDER_INTENTS, entry["intent"]["client_order_id"])),
        ("each wallet is what happened", saying(db, ACCOUNTS, entry["account_id"], wallet=wallet)),
        ("the history is what was sealed", saying(db, SEALS, f"{entry['account_id']}:1", at="at another time")),
        ("the history is what was sealed", without(db, SEALS, f"{entry['account_id']}:1")),
        ("decisions follow", saying(db, DECISIONS, decided, **{"decision.portfolio_rationale": "as we wished"})),
    ]


def messages(log: Log) -> list[tuple[str, str, dict[str, Any]]]:
    """Each promise of the log, with the message whose loss breaks it."""
    stops = [m for m in log.of("order.placed") if m["intent"]["leg"] == "stop"]
    opened = log.of("position.opened")
    return [
        ("every request has one end", "DECISIONS", log.of("decision.validated", "decision.rejected")[0]),
        ("no position was without a stop", "ORDERS", stops[0]),
        ("each wallet is what happened", "ORDERS", opened[-1]),
        ("what fills made and cost", "ORDERS", opened[-1]),
        ("the history is what was sealed", "ORDERS", opened[-1]),
    ]
