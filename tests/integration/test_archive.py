"""Old months leave MongoDB for files, and come back as they were."""

import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson.decimal128 import Decimal128

from libs.records.archive import ARCHIVED, Archive, files_in, next_month, restore
from libs.records.collections import BODIES, DECISIONS, EQUITY, TRADES
from libs.records.provision import provision
from libs.records.reading import RecordsDb
from libs.runtime.mongo import client

pytestmark = pytest.mark.integration
MAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
async def db(mongo_url: str, mongo_db_name: str) -> AsyncIterator[RecordsDb]:
    mongo = client(mongo_url)
    await provision(mongo[mongo_db_name])
    yield mongo[mongo_db_name]
    await mongo.close()


def decision(n: int, at: datetime, prompt: str) -> dict[str, Any]:
    call = {"system_prompt_sha256": "system", "user_prompt_sha256": prompt, "cost_usd": 0.25}
    return {"_id": f"dec-{n}", "created_at": at, "account_id": "alpha", "rank": "80:", "calls": [call], "n": n}


async def filled(db: RecordsDb) -> None:
    """Two decisions of May and one of June, which shares its prompt with one of May."""
    june = next_month(MAY)
    await db[DECISIONS].insert_many(
        [
            decision(1, MAY, "one"),
            decision(2, june - timedelta(milliseconds=1), "shared"),
            decision(3, june, "shared"),
        ]
    )
    await db[BODIES].insert_many([{"_id": name, "text": f"ask {name} ☃"} for name in ("one", "shared", "system")])
    await db[EQUITY].insert_one({"_id": "p", "at": MAY, "equity": Decimal128(Decimal("1.10")), "account_id": "alpha"})
    await db[TRADES].insert_one({"_id": "t", "closed_at": MAY, "account_id": "alpha"})


async def everything(db: RecordsDb) -> dict[str, list[Any]]:
    names = (*ARCHIVED, BODIES, TRADES)
    return {name: await db[name].find().sort({"_id": 1}).to_list() for name in names}


async def put_away(db: RecordsDb, folder: Path, before: datetime) -> dict[str, tuple[int, int]]:
    done = [month async for month in Archive(db, folder).put_away(before)]
    return {month.file.name: (month.documents, month.deleted) for month in done}


async def test_whole_months_go_and_what_others_need_stays(db: RecordsDb, tmp_path: Path) -> None:
    await filled(db)
    before = await everything(db)
    assert await put_away(db, tmp_path, next_month(MAY)) == {
        "decisions-2026-05.jsonl.gz": (2, 2),
        "bodies-2026-05.jsonl.gz": (1, 1),
        "equity-2026-05.jsonl.gz": (1, 1),
    }
    left = await everything(db)
    assert [row["_id"] for row in left[DECISIONS]] == ["dec-3"]
    assert [row["_id"] for row in left[BODIES]] == ["shared", "system"]
    assert left[TRADES] == before[TRADES]
    assert await put_away(db, tmp_path, next_month(MAY)) == {}


async def test_a_month_that_is_not_over_stays(db: RecordsDb, tmp_path: Path) -> None:
    await filled(db)
    assert await put_away(db, tmp_path, next_month(MAY) - timedelta(seconds=1)) == {}


async def test_what_comes_back_is_what_went_and_comes_once(db: RecordsDb, tmp_path: Path) -> None:
    await filled(db)
    before = await everything(db)
    await put_away(db, tmp_path, next_month(MAY))
    files = files_in(tmp_path)
    assert [await restore(db, file) for file in files] == [(1, 1), (2, 2), (1, 1)]
    assert await everything(db) == before
    assert [await restore(db, file) for file in files] == [(1, 0), (2, 0), (1, 0)]
    assert await everything(db) == before


async def test_what_comes_late_goes_into_a_file_of_its_own(db: RecordsDb, tmp_path: Path) -> None:
    await filled(db)
    await put_away(db, tmp_path, next_month(MAY))
    await db[DECISIONS].insert_one(decision(4, MAY + timedelta(days=3), "late"))
    assert await put_away(db, tmp_path, next_month(MAY)) == {
        "decisions-2026-05-1.jsonl.gz": (1, 1),
        "bodies-2026-05-1.jsonl.gz": (0, 0),
    }


async def test_what_changes_while_it_is_archived_is_not_deleted(db: RecordsDb, tmp_path: Path) -> None:
    await filled(db)
    archive = Archive(db, tmp_path)
    file, count = await archive._written(DECISIONS, MAY, {"created_at": {"$lt": next_month(MAY)}}, set())
    await db[DECISIONS].update_one({"_id": "dec-1"}, {"$set": {"n": 100}})
    assert (count, await archive._deleted(DECISIONS, file)) == (2, 1)
    assert (await db[DECISIONS].find_one({"_id": "dec-1"}) or {})["n"] == 100


async def test_a_file_that_is_cut_says_so(db: RecordsDb, tmp_path: Path) -> None:
    await filled(db)
    await put_away(db, tmp_path, next_month(MAY))
    file = tmp_path / "decisions-2026-05.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises((EOFError, gzip.BadGzipFile)):
        await restore(db, file)
    with pytest.raises(ValueError, match="no file of an archive"):
        await restore(db, tmp_path / "notes.txt")


@pytest.mark.parametrize(("month", "after"), [(1, (2026, 2)), (11, (2026, 12)), (12, (2027, 1))])
def test_the_month_after_december_is_january(month: int, after: tuple[int, int]) -> None:
    found = next_month(datetime(2026, month, 1, tzinfo=UTC))
    assert (found.year, found.month) == after
