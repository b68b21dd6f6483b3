"""MongoDB as services use it: one client with safe defaults, collections and their indexes in one table."""

from typing import Any

from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure, ExecutionTimeout, NotPrimaryError, WaitQueueTimeoutError

from libs.runtime.errors import Unavailable

Document = dict[str, Any]
SELECTION_TIMEOUT_MS = 3_000

# What PyMongo raises while the server is away or changes its primary.
MONGO_AWAY: tuple[type[Exception], ...] = (
    ConnectionFailure,
    ExecutionTimeout,
    NotPrimaryError,
    WaitQueueTimeoutError,
)


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


def client(url: str) -> AsyncMongoClient[Document]:
    """A client that writes with majority and journal, and reads aware UTC times."""
    return AsyncMongoClient(
        url,
        w="majority",
        journal=True,
        tz_aware=True,
        serverSelectionTimeoutMS=SELECTION_TIMEOUT_MS,
        connectTimeoutMS=SELECTION_TIMEOUT_MS,
        appname="perpetua",
    )


async def provision(db: AsyncDatabase[Document]) -> None:
    """Create collections and indexes."""
    existing = set(await db.list_collection_names())
    for name, indexes in INDEXES.items():
        if name not in existing:
            await db.create_collection(name)
        if indexes:
            await db[name].create_indexes(indexes)


class Database:
    """The database of one process; a service of its worker."""

    def __init__(self, url: str, name: str) -> None:
        self._client = client(url)
        self.db: AsyncDatabase[Document] = self._client[name]

    @property
    def client(self) -> AsyncMongoClient[Document]:
        return self._client

    async def start(self) -> None:
        """Does not wait for the server: what needs it waits on its own."""

    async def stop(self) -> None:
        await self._client.close()

    async def ping(self) -> None:
        """Raises Unavailable when the server does not answer."""
        try:
            await self._client.admin.command("ping")
        except MONGO_AWAY as error:
            raise Unavailable(f"MongoDB does not answer: {error}") from error
