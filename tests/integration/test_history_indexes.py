"""Every page of the history looks at about as many documents as it shows, whatever it is filtered by."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import pytest
from pymongo import MongoClient

from libs.records.collections import DECISIONS, FILLED, FILTERS, INDEXES
from libs.records.history import MOST_EXAMINED, history_page, plan_of
from libs.records.provision import index_model
from libs.records.reading import RecordsDb, page_query
from libs.runtime.mongo import client
from tests.forms import LONG
from tests.pace import quiet
from tests.servers import Urls

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1_800)]

ROWS = 1_000_000 if LONG else 50_000
LIMIT = 50
NAME = "history_indexes"
T0 = datetime(2026, 5, 1, tzinfo=UTC)
RARE = {"actions": "close", "status": "denied", "model_used": "m/rare", "strategy.id": "rare", "symbols": "RAREUSDT"}
COMMON = {"actions": "hold", "status": "hold", "model_used": "m/0", "strategy.id": "s0", "symbols": "BTCUSDT"}
NONE = dict.fromkeys(FILTERS, "nowhere")


def row(n: int) -> dict[str, Any]:
    rare = n % 4_999 == 0
    return {
        "_id": f"dec-{n:07d}",
        "created_at": T0 + timedelta(seconds=n // 2),
        "account_id": f"a{n % 7}",
        "rank": "50:",
        "status": "denied" if rare else ("hold", "accepted", "abstained")[n % 3],
        "actions": ["close"] if rare else ["hold"] if n % 3 else ["buy", "hold"],
        "model_used": "m/rare" if rare else f"m/{n % 2}",
        "strategy": {"id": "rare" if rare else f"s{n % 2}"},
        "symbols": ["RAREUSDT"] if rare else ["BTCUSDT", f"X{n % 5}USDT"],
    }


@pytest.fixture(scope="module")
def filled(servers: Urls) -> Iterator[str]:
    """Indexes last: they are made in one go."""
    with MongoClient[dict[str, Any]](servers.mongodb) as mongo:
        mongo.drop_database(NAME)
        for begin in range(0, ROWS, 20_000):
            rows = [row(n) for n in range(begin, min(begin + 20_000, ROWS))]
            mongo[NAME][DECISIONS].insert_many(rows, ordered=False)
        mongo[NAME][DECISIONS].create_indexes([index_model(index) for index in INDEXES[DECISIONS]])
        yield servers.mongodb
        mongo.drop_database(NAME)


@pytest.fixture
async def db(filled: str) -> AsyncIterator[RecordsDb]:
    mongo = client(filled)
    yield mongo[NAME]
    await mongo.close()


def cases() -> dict[str, dict[str, Any]]:
    account, two = {"account_id": {"$in": ["a3"]}}, {"account_id": {"$in": ["a3", "a5"]}}
    found: dict[str, dict[str, Any]] = {"nothing": {}, "account": account, "accounts": two}
    found |= {"nobody": {"account_id": {"$in": ["nobody"]}}}
    for kind, values in (("rare", RARE), ("common", COMMON), ("none", NONE)):
        for name, value in values.items():
            found[f"{name} {kind}"] = {name: value}
            found[f"account, {name} {kind}"] = account | {name: value}
    return found


PLACES = {"first": None, "deep": (T0 + timedelta(seconds=ROWS // 8), f"dec-{ROWS // 4:07d}")}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", cases())
async def test_a_page_examines_at_most_ten_times_its_entries(db: RecordsDb, case: str, place: str) -> None:
    query, after = {**FILLED, **cases()[case]}, PLACES[place]
    plan = plan_of(query)
    assert set(plan.rest) <= {"rank"}, "an index holds all of it"
    cursor = db[DECISIONS].find({**page_query("created_at", plan.found, after), **plan.rest})
    explained = await cursor.hint(plan.hint).sort([("created_at", -1), ("_id", -1)]).limit(LIMIT).explain()
    stats = explained["executionStats"]
    assert max(stats["totalDocsExamined"], stats["totalKeysExamined"]) <= 10 * LIMIT, stats
    rows, ends = await history_page(db, query, LIMIT, after, {"_id": 1, "created_at": 1})
    assert (ends, len(rows)) == (None, stats["nReturned"])
    assert rows == sorted(rows, key=lambda found: (found["created_at"], found["_id"]), reverse=True)


async def test_a_period_narrows_what_is_looked_at(db: RecordsDb) -> None:
    bounds = {"created_at": {"$gte": T0 + timedelta(hours=1), "$lt": T0 + timedelta(hours=2)}}
    rows, _ = await history_page(db, {**FILLED, **bounds}, LIMIT, None, {"created_at": 1})
    assert rows[0]["created_at"] == T0 + timedelta(hours=2, seconds=-1)


@pytest.mark.parametrize("rare", [True, False])
async def test_other_filters_together_find_the_same_in_honest_partial_pages(db: RecordsDb, *, rare: bool) -> None:
    """What no index has together is looked for in bounded parts; together they are the whole answer."""
    both = {"symbols": "X4USDT", "model_used": "m/1"} if not rare else {"status": "hold", "model_used": "m/rare"}
    query, after, seen, pages = {**FILLED, **both}, None, [], 0
    while pages < 3 if not rare else True:
        rows, ends = await history_page(db, query, 500, after, {"created_at": 1})
        seen += [found["_id"] for found in rows]
        pages += 1
        after = (rows[-1]["created_at"], rows[-1]["_id"]) if len(rows) == 500 else ends
        if after is None:
            break
    newest = await db[DECISIONS].find(query, {"_id": 1}).sort([("created_at", -1), ("_id", -1)]).to_list(len(seen) + 1)
    assert seen == [found["_id"] for found in newest][: len(seen)]
    assert not rare or (len(seen), len(newest)) == (0, 0)
    assert pages <= ROWS // MOST_EXAMINED + 1


@pytest.mark.long
async def test_a_page_of_a_million_decisions_comes_within_fifty_milliseconds(db: RecordsDb) -> None:
    """Every filter and pair, first pages and deep ones, empty ones too; measured as on a quiet machine."""
    times = []
    for query in cases().values():
        for after in PLACES.values():
            for _ in range(5):
                began = time.perf_counter()
                await history_page(db, {**FILLED, **query}, LIMIT, after, None)
                times.append(time.perf_counter() - began)
    p99 = sorted(times)[int(len(times) * 0.99) - 1]
    print(f"\nhistory of {ROWS} decisions: p50 {median(times) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
    assert quiet(p99) <= 0.05
