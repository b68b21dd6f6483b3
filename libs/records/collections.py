"""Every collection with its indexes: spelled once."""

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from libs.runtime.mongo import Document


def _index(*keys: tuple[str, int], unique: bool = False, **options: Any) -> IndexModel:
    return IndexModel(list(keys), unique=unique, **options)


INDEXES: dict[str, list[IndexModel]] = {
    "accounts": [_index(("partition", ASCENDING))],
    "order_plans": [_index(("account_id", ASCENDING), ("planned_at", DESCENDING))],
    "order_intents": [
        _index(("account_id", ASCENDING), ("state", ASCENDING)),
        _index(("decision_id", ASCENDING)),
    ],
    "leases": [],
    "requests": [
        _index(("account_id", ASCENDING), ("requested_at", DESCENDING)),
        _index(("decision_id", ASCENDING)),
        _index(("answered_by", ASCENDING)),
    ],
    "contexts": [_index(("account_id", ASCENDING), ("at", DESCENDING))],
    "decisions": [
        _index(("account_id", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)),
        _index(("created_at", DESCENDING), ("_id", DESCENDING)),
        _index(("account_id", ASCENDING), ("symbols", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)),
        _index(("request_id", ASCENDING)),
        _index(("status", ASCENDING), ("created_at", DESCENDING)),
        _index(
            ("arm.experiment", ASCENDING),
            ("created_at", DESCENDING),
            partialFilterExpression={"arm.experiment": {"$exists": True}},
        ),
    ],
    "orders": [
        _index(("decision_id", ASCENDING)),
        _index(("account_id", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)),
    ],
    "fills": [
        _index(("decision_id", ASCENDING)),
        _index(("account_id", ASCENDING), ("at", DESCENDING)),
    ],
    "positions": [
        _index(("account_id", ASCENDING), ("at", DESCENDING)),
        _index(("decision_id", ASCENDING)),
    ],
    "trades": [
        _index(("account_id", ASCENDING), ("closed_at", DESCENDING), ("_id", DESCENDING)),
        _index(("closed_at", DESCENDING)),
    ],
    "equity": [_index(("account_id", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING))],
    "audit": [
        _index(("at", DESCENDING), ("_id", DESCENDING)),
        _index(("subject", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)),
    ],
    "alerts": [_index(("created_at", DESCENDING), ("_id", DESCENDING))],
    "dead_letters": [_index(("at", DESCENDING))],
    "bodies": [],
    "api_keys": [_index(("hash", ASCENDING), unique=True)],
    "idempotency": [_index(("at", ASCENDING), expireAfterSeconds=86_400)],
}


async def provision(db: AsyncDatabase[Document]) -> None:
    """Create collections and indexes."""
    existing = set(await db.list_collection_names())
    for name, indexes in INDEXES.items():
        if name not in existing:
            await db.create_collection(name)
        if indexes:
            await db[name].create_indexes(indexes)
