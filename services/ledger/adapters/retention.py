"""Old months go into the archive, once an hour. Several ledgers may do it: each deletes what it has written itself."""

import asyncio
import logging
from datetime import timedelta

from libs.records.archive import Archive
from libs.runtime.clock import Clock
from libs.runtime.mongo import MONGO_AWAY

EVERY_S = 3_600.0
log = logging.getLogger(__name__)


class Retention:
    """`keep` is market time."""

    def __init__(self, archive: Archive, clock: Clock, keep: timedelta) -> None:
        self._archive, self._clock, self._keep = archive, clock, keep

    async def run(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """What cannot be written is not deleted; it is tried again."""
        try:
            async for month in self._archive.put_away(self._clock.now() - self._keep):
                log.info("archived %s: %d documents, %d deleted", month.file.name, month.documents, month.deleted)
        except MONGO_AWAY as error:
            log.warning("nothing is archived while MongoDB is away: %s", error)
        except OSError as error:
            log.error("nothing is archived: %s", error)  # noqa: TRY400 - a full disk needs no traceback
