"""A collection as a file of BSON and back, byte for byte as the server has it."""

import asyncio
import itertools
from pathlib import Path
from typing import BinaryIO, cast

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.database import AsyncDatabase

from libs.runtime.mongo import Document

BATCH = 500
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


async def collections(db: AsyncDatabase[Document]) -> list[str]:
    return sorted(name for name in await db.list_collection_names() if not name.startswith("system."))


async def dump(db: AsyncDatabase[Document], name: str, output: BinaryIO) -> int:
    """Write a collection; returns how many documents it has. Raises pymongo's errors."""
    count = 0
    async for batch in db[name].find_raw_batches({}, batch_size=BATCH):
        raw = cast(bytes, batch)  # pymongo's annotation is that of documents
        await asyncio.to_thread(output.write, raw)
        count += len(bson.decode_all(raw, RAW))
    return count


async def fill(db: AsyncDatabase[Document], name: str, file: Path) -> int:
    """Bring back what `dump` wrote; returns how many documents that were. Raises pymongo's errors."""
    target, count = db.get_collection(name, codec_options=RAW), 0
    with file.open("rb") as source:
        documents = bson.decode_file_iter(source, RAW)
        while batch := await asyncio.to_thread(lambda: list(itertools.islice(documents, BATCH))):
            await target.insert_many(batch)
            count += len(batch)
    return count
