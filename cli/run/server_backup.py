"""Everything that servers of one's own hold, into a file and back into empty servers: the streams of NATS with their
durables, the database of MongoDB.

Not Redis: budgets and rates begin anew, answers of models that were not used yet are lost. Workers have to stand still,
since two stores are never read at the same moment.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from nats.aio.client import Client
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from cli.connection import connected
from cli.errors import CliError
from cli.run.backup_file import Contents, Part, digest, pack, unpack
from cli.run.collection_dumps import collections, dump, fill
from cli.run.provision import ProvisionSettings, make_database_users, mongodb_silent
from libs.runtime.bus import NATS_SILENT
from libs.runtime.errors import Unavailable
from libs.runtime.mongo import Database, Document
from libs.runtime.stream_snapshots import StreamSnapshots
from libs.schemas.rights import KEEPER

Say = Callable[[str], None]
STREAM, COLLECTION = "stream", "collection"


@dataclass(frozen=True, slots=True)
class RestoreWishes:
    """`replicas` of each stream in a cluster of NATS; `users` as for provisioning."""

    replicas: int = 1
    users: Path | None = None


@dataclass(frozen=True, slots=True)
class _Stores:
    streams: StreamSnapshots
    db: AsyncDatabase[Document]


def back_up(settings: ProvisionSettings, file: Path, say: Say) -> None:
    asyncio.run(_back_up(settings, file, say))


def restore(settings: ProvisionSettings, file: Path, wishes: RestoreWishes, say: Say) -> None:
    """Raises CliError, and has changed nothing, where the file is damaged or the servers hold something."""
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=f"{file.name}.") as scratch:
        contents = unpack(file, Path(scratch))
        if wishes.users is not None:
            make_database_users(settings, wishes.users)
        asyncio.run(_restore(settings, Path(scratch), contents, wishes, say))


async def _back_up(settings: ProvisionSettings, file: Path, say: Say) -> None:
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=f"{file.name}.") as scratch:
        folder = Path(scratch)
        async with _stores(settings) as stores:
            streams = [part async for part in _streams(stores.streams, folder)]
            say(f"{len(streams)} streams, {sum(part.told['state']['messages'] for part in streams)} messages")
            kept = [part async for part in _collections(stores.db, folder)]
            say(f"{len(kept)} collections, {sum(part.documents for part in kept)} documents")
            await _nothing_moved(stores.streams, streams)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        contents = Contents(at, settings.mongodb_db, (*streams, *kept))
        await asyncio.to_thread(pack, file, contents, folder)


async def _streams(snapshots: StreamSnapshots, folder: Path) -> AsyncIterator[Part]:
    (folder / STREAM).mkdir()
    for name in await snapshots.names():
        place = folder / STREAM / name
        with place.open("wb") as output:
            told = await snapshots.save(name, output)
        yield Part(STREAM, name, await asyncio.to_thread(digest, place), told)


async def _collections(db: AsyncDatabase[Document], folder: Path) -> AsyncIterator[Part]:
    (folder / COLLECTION).mkdir()
    for name in await collections(db):
        place = folder / COLLECTION / name
        with place.open("wb") as output:
            documents = await dump(db, name, output)
        yield Part(COLLECTION, name, await asyncio.to_thread(digest, place), documents=documents)


async def _nothing_moved(snapshots: StreamSnapshots, parts: Sequence[Part]) -> None:
    """CliError where a stream was written to since it was read."""
    for part in parts:
        now, then = await snapshots.state(part.name), part.told["state"]
        if now["last_seq"] != then["last_seq"]:
            raise CliError(
                f"{part.name} was written to meanwhile", "stop the workers first: what is backed up must stand still"
            )


async def _restore(
    settings: ProvisionSettings, folder: Path, contents: Contents, wishes: RestoreWishes, say: Say
) -> None:
    async with _stores(settings) as stores:
        await _are_empty(stores)
        for part in contents.of(STREAM):
            await stores.streams.load(part.name, part.told, folder / part.place, replicas=wishes.replicas)
        say(f"{len(contents.of(STREAM))} streams")
        for part in contents.of(COLLECTION):
            documents = await fill(stores.db, part.name, folder / part.place)
            if documents != part.documents:
                raise CliError(
                    f"{part.name}: {documents} of {part.documents} documents", "empty the servers, try again"
                )
        say(f"{len(contents.of(COLLECTION))} collections, as of {contents.at}")


async def _are_empty(stores: _Stores) -> None:
    if names := await stores.streams.names():
        raise CliError(f"NATS holds streams: {', '.join(sorted(names)[:3])} …", "restore into empty servers")
    for name in await collections(stores.db):
        if await stores.db[name].find_one({}, {"_id": 1}) is not None:
            raise CliError(f"MongoDB holds documents in {name}", "restore into empty servers")


@asynccontextmanager
async def _stores(settings: ProvisionSettings) -> AsyncIterator[_Stores]:
    user = urlsplit(settings.nats_url.split(",")[0]).username
    if user not in (None, KEEPER):
        raise CliError(
            f"streams are read and brought back by {KEEPER}, NATS_URL is of {user}", f"take nats_url_{KEEPER}"
        )
    database = Database(settings.mongodb_url, settings.mongodb_db)
    try:
        async with connected(settings.nats_url) as bus:
            nc: Client = bus.nc
            yield _Stores(StreamSnapshots(nc), database.db)
    except PyMongoError as error:
        raise mongodb_silent(settings, error) from error
    except Unavailable as error:
        raise CliError(str(error), "see the log of NATS") from error
    except NATS_SILENT as error:
        raise CliError(
            f"NATS does not answer: {error or type(error).__name__}", "see its log, then try again"
        ) from error
    finally:
        await database.stop()
