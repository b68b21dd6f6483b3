"""deploy/nats/nats.conf is made of the table of rights, which has a row for each worker of the table of workers."""

from collections.abc import Iterator

from cli.embedded.mongo import KIND as MONGODB
from cli.embedded.nats_file import nats_file
from cli.embedded.redis import KIND as REDIS
from cli.run.workers import TABLE
from libs.records.collections import INDEXES
from libs.records.rights import OF_ADMIN, WRITES
from libs.schemas import subjects
from libs.schemas.rights import ADMIN, BY_NAME, KEEPER, OBSERVER, PUBLISHER
from tools.paths import ROOT

FILE = ROOT / "deploy" / "nats" / "nats.conf"
NO_WORKERS = {ADMIN, KEEPER, OBSERVER, PUBLISHER}


def check_rights() -> list[str]:
    return [*_file(), *_workers(), *_durables(), *_collections()]


def _file() -> Iterator[str]:
    if not FILE.is_file() or FILE.read_text() != nats_file():
        yield "deploy/nats/nats.conf differs from libs/schemas/rights.py: run `python -m tools.checks --write`"


def _workers() -> Iterator[str]:
    """A worker is a user of the servers that the table of workers gives it, and of no others."""
    for server, users in (("mongodb", MONGODB.users), ("redis", REDIS.users)):
        wanted = {row.name for row in TABLE if any(one == server for one in row.databases)}
        if set(users) - NO_WORKERS != wanted:
            yield f"the users of {server} are not the workers that keep something there: {', '.join(sorted(wanted))}"
    if set(BY_NAME) - NO_WORKERS != {row.name for row in TABLE}:
        yield "libs/schemas/rights.py does not name the workers of cli/run/workers.py"


def _durables() -> Iterator[str]:
    pulled = [one.name for user in BY_NAME.values() for one in user.pulls]
    yield from (
        f"libs/schemas/rights.py: nobody pulls {one.name}" for one in subjects.DURABLES if one.name not in pulled
    )
    yield from (f"libs/schemas/rights.py: {name} is pulled by two" for name in set(pulled) if pulled.count(name) > 1)


def _collections() -> Iterator[str]:
    written = {*OF_ADMIN, *(name for names in WRITES.values() for name in names)}
    yield from (f"libs/records/rights.py: nobody may write {name}" for name in INDEXES if name not in written)


def write() -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(nats_file())
