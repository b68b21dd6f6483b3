"""What is old leaves MongoDB by whole months, into compressed JSON lines that bring it back.

A month of a collection is written, synced, read again line by line, and what is read is deleted where it still is what
it was. A crash between leaves both: the next time the rest is written beside it, and what comes back comes back once.
"""

import asyncio
import gzip
import logging
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import json_util
from pymongo.errors import BulkWriteError

from libs.records.collections import (
    BODIES,
    CONTEXTS,
    DEAD_LETTERS,
    DECISIONS,
    EQUITY,
    FILLS,
    ORDERS,
    OUTCOMES,
    POSITIONS,
    REQUESTS,
)
from libs.records.reading import RecordsDb
from libs.runtime.mongo import Document

# Trades, the audit trail and alerts are small, and what figures and answers are made of: they stay.
ARCHIVED: dict[str, str] = {
    REQUESTS: "requested_at",
    CONTEXTS: "at",
    DECISIONS: "created_at",
    ORDERS: "created_at",
    FILLS: "at",
    POSITIONS: "at",
    EQUITY: "at",
    OUTCOMES: "judged_at",
    DEAD_LETTERS: "at",
}
PROMPT = "calls.user_prompt_sha256"  # system prompts are few and shared: they stay
BATCH = 500
DUPLICATE = 11_000
_FILE = re.compile(r"([a-z_]+)-(\d{4}-\d\d)(?:-\d+)?\.jsonl\.gz")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArchivedMonth:
    """A file, and how many documents of it were deleted; the others had changed meanwhile and stay."""

    file: Path
    documents: int
    deleted: int


def month_of(at: datetime) -> datetime:
    return datetime(at.year, at.month, 1, tzinfo=UTC)


def next_month(month: datetime) -> datetime:
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)


class Archive:
    """Files in `folder`, which is made. Raises pymongo's errors and OSError."""

    def __init__(self, db: RecordsDb, folder: Path) -> None:
        self._db = db
        self._folder = folder

    async def put_away(self, before: datetime) -> AsyncIterator[ArchivedMonth]:
        """Every whole month that ended before this market time, oldest first."""
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        for name, field in ARCHIVED.items():
            oldest: datetime | None = None
            while (month := await self._oldest(name, field, oldest)) is not None and next_month(month) <= before:
                async for archived in self._month(name, field, month):
                    yield archived
                oldest = next_month(month)

    async def _oldest(self, name: str, field: str, since: datetime | None) -> datetime | None:
        query = {field: {"$gte": since} if since else {"$type": "date"}}
        found = await self._db[name].find_one(query, {field: 1}, sort=[(field, 1)])
        return month_of(found[field]) if found else None

    async def _month(self, name: str, field: str, month: datetime) -> AsyncIterator[ArchivedMonth]:
        query = {field: {"$gte": month, "$lt": next_month(month)}}
        prompts: set[str] = set()
        file = await self._written(name, month, query, prompts)
        yield ArchivedMonth(*file, await self._deleted(name, file[0]))
        for chunk in _chunks(sorted(prompts)):
            used = await self._db[DECISIONS].distinct(PROMPT, {PROMPT: {"$in": chunk}})
            unused = {"_id": {"$in": sorted(set(chunk) - set(used))}}
            texts = await self._written(BODIES, month, unused, set())
            yield ArchivedMonth(*texts, await self._deleted(BODIES, texts[0]))

    async def _written(self, name: str, month: datetime, query: Document, prompts: set[str]) -> tuple[Path, int]:
        """The file with what the query finds, and how many that is."""
        place = await asyncio.to_thread(_free_place, self._folder, f"{name}-{month:%Y-%m}")
        part, count = place.with_suffix(".part"), 0
        with await asyncio.to_thread(gzip.open, part, "wt", encoding="utf-8") as output:
            batch: list[str] = []
            async for document in self._db[name].find(query, batch_size=BATCH):
                prompts.update(call["user_prompt_sha256"] for call in document.get("calls", ()))
                batch.append(_line(document))
                count += 1
                if len(batch) == BATCH:
                    await asyncio.to_thread(output.writelines, batch)
                    batch = []
            await asyncio.to_thread(output.writelines, batch)
        await asyncio.to_thread(_put_in_place, part, place)
        return place, count

    async def _deleted(self, name: str, file: Path) -> int:
        """How many of a file's documents were deleted: those that are as the file has them."""
        deleted = 0
        for lines in await asyncio.to_thread(lambda: list(_chunks(list(_lines(file))))):
            written = {_document(line)["_id"]: line for line in lines}
            found = self._db[name].find({"_id": {"$in": list(written)}})
            same = [document["_id"] async for document in found if _line(document) == written[document["_id"]]]
            deleted += (await self._db[name].delete_many({"_id": {"$in": same}})).deleted_count
        return deleted


async def restore(db: RecordsDb, file: Path) -> tuple[int, int]:
    """Bring back what a file holds: how many documents, and how many of them were not there. What is there stays.

    Raises ValueError for a file that is none of an archive.
    """
    name = collection_of(file)
    seen = brought = 0
    for lines in await asyncio.to_thread(lambda: list(_chunks(list(_lines(file))))):
        seen += len(lines)
        try:
            brought += len((await db[name].insert_many(map(_document, lines), ordered=False)).inserted_ids)
        except BulkWriteError as error:
            if any(each["code"] != DUPLICATE for each in error.details["writeErrors"]):
                raise
            brought += int(error.details["nInserted"])
    return seen, brought


def collection_of(file: Path) -> str:
    """The collection that a file of an archive is about."""
    named = _FILE.fullmatch(file.name)
    if named is None or named[1] not in {*ARCHIVED, BODIES}:
        raise ValueError(f"{file.name} is no file of an archive: such a one is called like decisions-2026-05.jsonl.gz")
    return named[1]


def files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.jsonl.gz") if _FILE.fullmatch(file.name))


def _free_place(folder: Path, stem: str) -> Path:
    """A name that no file has yet. It is taken at once, so that two who look find two."""
    number = 0
    while True:
        place = folder / (f"{stem}.jsonl.gz" if not number else f"{stem}-{number}.jsonl.gz")
        try:
            place.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return place


def _put_in_place(part: Path, place: Path) -> None:
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _line(document: Document) -> str:
    return json_util.dumps(document, json_options=json_util.CANONICAL_JSON_OPTIONS) + "\n"


def _document(line: str) -> Document:
    read: Document = json_util.loads(line, json_options=json_util.CANONICAL_JSON_OPTIONS)
    return read


def _lines(file: Path) -> Iterator[str]:
    """A place that was taken and never filled holds nothing."""
    if file.stat().st_size:
        with gzip.open(file, "rt", encoding="utf-8") as source:
            yield from source


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    yield from (values[n : n + BATCH] for n in range(0, len(values), BATCH))
