"""Collections and indexes made where they are missing."""

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from libs.records.collections import INDEXES, Index
from libs.runtime.mongo import Document

NAMESPACE_EXISTS = 48


async def provision(db: AsyncDatabase[Document]) -> None:
    """Create collections and indexes."""
    existing = set(await db.list_collection_names())
    for name, indexes in INDEXES.items():
        if name not in existing:
            await _made(db, name)
        if indexes:
            await db[name].create_indexes([index_model(index) for index in indexes])


async def _made(db: AsyncDatabase[Document], name: str) -> None:
    """A worker that runs already may make it at the same moment, by its first document."""
    try:
        await db.create_collection(name, check_exists=False)
    except OperationFailure as error:
        if error.code != NAMESPACE_EXISTS:
            raise


def index_model(index: Index) -> IndexModel:
    keys = [(field.removeprefix("-"), DESCENDING if field.startswith("-") else ASCENDING) for field in index.fields]
    return IndexModel(keys, **{"unique": False, **index.options})
