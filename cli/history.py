"""The bus, the database and the market's time of a run, for commands that sum up what happened."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cli.address import mongodb_url, nats_url
from cli.connection import connected
from cli.errors import CliError
from cli.records import Records, records
from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror
from libs.runtime.errors import Unavailable


@dataclass(frozen=True, slots=True)
class History:
    bus: Bus
    db: Records
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
