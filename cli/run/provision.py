"""Brings servers that somebody else runs to what the code expects: users, streams, indexes, configuration, a first key.

`perpetua up` does the same to the servers that it starts. It may be repeated at any time, and is at every upgrade.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from cli.connection import connected
from cli.embedded.access import Access, passwords_in
from cli.embedded.kind import without_credentials
from cli.embedded.mongo import begin_set, make_users
from cli.errors import CliError
from cli.files import read_token
from cli.run.access import KEY_NAME
from cli.run.plan import traded_symbols
from cli.run.seed import read_all, seed
from libs.records.key_store import KeyStore, carry_over, create_admin_key
from libs.records.keys import key_id_of
from libs.records.provision import provision
from libs.runtime.bus import Bus
from libs.runtime.mongo import Database
from libs.runtime.provision import provision_nats
from libs.runtime.settings import MongoSettings, RuntimeSettings
from libs.schemas.symbols import canonical

Say = Callable[[str], None]


class ProvisionSettings(MongoSettings, RuntimeSettings):
    """The servers, as their administrator."""

    assets: str = Field(default="", validation_alias=AliasChoices("ASSETS", "assets"))

    @property
    def symbols(self) -> Sequence[str]:
        written = (part.strip() for part in self.assets.split(",") if part.strip())
        return tuple(dict.fromkeys(canonical(part) or part for part in written)) or traded_symbols()


@dataclass(frozen=True, slots=True)
class Wishes:
    """`users` is passwords.json of the folder of secrets: without it MongoDB's users are somebody else's work.
    `api_key` is a file with a first key for all accounts."""

    replicas: int = 1
    users: Path | None = None
    api_key: Path | None = None


def run_provision(settings: ProvisionSettings, wishes: Wishes, say: Say) -> None:
    """Everything once. CliError for what does not answer."""
    if wishes.users is not None:
        make_database_users(settings, wishes.users)
        say("users of MongoDB")
    asyncio.run(_contents(settings, wishes, say))


def make_database_users(settings: ProvisionSettings, file: Path) -> None:
    """Of `perpetua secrets`; a mongod that is in no set yet becomes one of its own. Raises CliError."""
    url, passwords = settings.mongodb_url, passwords_in(file)
    try:
        begin_set(url, urlsplit(url).netloc.rpartition("@")[2])
        with MongoClient[dict[str, Any]](url) as client:
            make_users(client.admin, Access(passwords.get("mongodb", {}), database=settings.mongodb_db))
    except (PyMongoError, ValueError) as error:
        raise mongodb_silent(settings, error) from error


async def _contents(settings: ProvisionSettings, wishes: Wishes, say: Say) -> None:
    database = Database(settings.mongodb_url, settings.mongodb_db)
    try:
        async with connected(settings.nats_url) as bus:
            await provision_nats(bus.js, replicas=wishes.replicas)
            say("streams, durables and buckets")
            await provision(database.db)
            say("collections and indexes")
            written = await _configuration(bus, settings.symbols)
            say(f"configuration: {len(written)} new")
            await carry_over(database.db, KeyStore(bus))
            if wishes.api_key is not None:
                await _first_key(KeyStore(bus), wishes.api_key)
                say("API key")
    except PyMongoError as error:
        raise mongodb_silent(settings, error) from error
    finally:
        await database.stop()


async def _configuration(bus: Bus, symbols: Sequence[str]) -> list[str]:
    """Only what is missing: with nothing remembered, no file counts as changed."""
    with tempfile.TemporaryDirectory() as folder:
        return await seed(bus, read_all(symbols), Path(folder) / "seeded.json")


async def _first_key(store: KeyStore, file: Path) -> None:
    """A key that was revoked stays revoked."""
    token = read_token(file)
    if token is None:
        raise CliError(f"{file} holds no API key", "make one by `perpetua secrets`")
    if await store.find(key_id_of(token)) is None:
        await create_admin_key(store, token, KEY_NAME, datetime.now(UTC))


def mongodb_silent(settings: ProvisionSettings, error: Exception) -> CliError:
    where = without_credentials(settings.mongodb_url)
    return CliError(f"MongoDB at {where}: {error}", "is it running, with this administrator?")
