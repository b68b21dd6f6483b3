"""The history of decisions, filtered: every page by an index that fits, never more than a bounded part looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.records.collections import DECISIONS, FILTERS, RANK
from libs.records.reading import Place, RecordsDb, page_query
from libs.runtime.mongo import Document

MOST_EXAMINED = 10_000  # documents of one page where no index fits all filters
_SORT = (("created_at", -1), ("_id", -1))


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """`found` is what the index `fields` finds; `rest` has to be looked for among that."""

    fields: tuple[str, ...]
    found: Document
    rest: Document

    @property
    def hint(self) -> list[tuple[str, int]]:
        return [*((name, 1) for name in self.fields), *_SORT]


def plan_of(query: Mapping[str, Any]) -> HistoryPlan:
    """How a query is answered: by the index of the account and of the rarest filter that it has."""
    account = ("account_id",) if "account_id" in query else ()
    first = tuple(name for name in FILTERS if name in query)[:1]
    fields = (*account, *first)
    indexed = {*fields, "created_at"}
    found = {name: value for name, value in query.items() if name in indexed}
    return HistoryPlan(fields, found, {name: value for name, value in query.items() if name not in indexed})


async def history_page(
    db: RecordsDb, query: Document, limit: int, after: Place | None, fields: Any
) -> tuple[list[Document], Place | None]:
    """A page, newest first, and where the search was given up, if it was. Raises pymongo's errors."""
    plan = plan_of(query)
    if set(plan.rest) <= {RANK}:
        cursor = db[DECISIONS].find({**page_query("created_at", plan.found, after), **plan.rest}, fields)
        return await cursor.hint(plan.hint).sort(list(_SORT)).limit(limit).to_list(), None
    return await _searched(db, plan, limit, after, fields)


async def _searched(
    db: RecordsDb, plan: HistoryPlan, limit: int, after: Place | None, fields: Any
) -> tuple[list[Document], Place | None]:
    begin = page_query("created_at", plan.found, after)
    stages: list[Document] = [
        {"$match": begin},
        {"$sort": dict(_SORT)},
        {"$limit": MOST_EXAMINED},
        {"$match": plan.rest},
        {"$limit": limit},
        {"$project": fields},
    ]
    rows = await (await db[DECISIONS].aggregate(stages, hint=dict(plan.hint))).to_list()
    if len(rows) == limit:
        return rows, None
    last = db[DECISIONS].find(begin, {"created_at": 1}).hint(plan.hint).sort(list(_SORT))
    ends = await last.skip(MOST_EXAMINED - 1).limit(1).to_list()
    return rows, (ends[0]["created_at"], ends[0]["_id"]) if ends else None
