"""What was stored: contexts and decisions, from the bus while they are there, else from MongoDB; the market's time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nats.js.errors import NotFoundError
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from cli.ask.address import mongodb_url, nats_url
from cli.connection import connected
from cli.errors import CliError, named
from libs.records import reading
from libs.records.proposals import proposal_of
from libs.records.reading import RecordsDb
from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror
from libs.runtime.errors import Unavailable
from libs.runtime.mongo import Database
from libs.runtime.settings import MongoSettings
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from libs.schemas.subjects import CONTEXTS, context_built


@asynccontextmanager
async def records(url: str) -> AsyncIterator[RecordsDb]:
    """The ledger's database. CliError while MongoDB is away."""
    database = Database(url, MongoSettings().mongodb_db)
    try:
        yield database.db
    except PyMongoError as error:
        said = " ".join(str(error).split())[:200]
        raise CliError(f"MongoDB cannot be read: {said}", "is it running? see `perpetua status`") from error
    finally:
        await database.stop()


async def newest_context(bus: Bus, db: RecordsDb, account_id: str) -> TradingContext:
    """The newest context of an account. CliError where there is none."""
    try:
        message = await bus.js.get_last_msg(CONTEXTS.name, context_built(named(account_id)))
    except NotFoundError:
        context = await reading.newest_context(db, account_id)
        if context is None:
            raise CliError(
                f"account {account_id} has no stored context",
                "`perpetua account list` shows the accounts; one gets its first context with its first decision",
            ) from None
        return _context(context)
    return _context(message.data or b"")


async def decided(db: RecordsDb, decision_id: str) -> tuple[TradingContext, DecisionProposed]:
    """A decision with the context that it was made on. CliError where one of them is not kept."""
    document = await reading.decision(db, decision_id)
    if document is None:
        raise CliError(f"there is no decision {decision_id}", "the API lists them: GET /api/v1/decisions/history")
    bodies = await reading.bodies(db, document)
    try:
        recorded = proposal_of(document, bodies)
    except (KeyError, ValidationError) as error:
        raise CliError(
            f"decision {decision_id} has no proposal that can be read ({type(error).__name__})",
            "it is not decided yet, or it was rejected before a model was asked",
        ) from error
    context = await reading.context(db, recorded.context_id)
    if context is None:
        raise CliError(f"the context of decision {decision_id} is not kept any more", "contexts are kept for 90 days")
    return _context(context), recorded


def _context(body: bytes | dict[str, Any]) -> TradingContext:
    try:
        read = TradingContext.model_validate_json if isinstance(body, bytes) else TradingContext.model_validate
        return read(body)  # type: ignore[arg-type]
    except ValidationError as error:
        raise CliError("the stored context cannot be read by this version", "was it made by a newer one?") from error


@dataclass(frozen=True, slots=True)
class History:
    bus: Bus
    db: RecordsDb
    now: datetime  # market time


@asynccontextmanager
async def history(state_dir: Path) -> AsyncIterator[History]:
    """CliError while NATS or MongoDB is away."""
    async with connected(nats_url(state_dir)) as bus, records(mongodb_url(state_dir)) as db:
        try:
            yield History(bus, db, await market_now(bus))
        except Unavailable as error:
            raise CliError(str(error), "is it running? see `perpetua status`") from error


async def market_now(bus: Bus) -> datetime:
    clock = MarketClockMirror(bus)
    await clock.start()
    try:
        return clock.now()
    finally:
        await clock.stop()
