"""What the ledger writes to, over a link that may lose what was said."""

from collections.abc import Sequence
from datetime import datetime

from libs.analytics.trades import Trade
from services.ledger.domain.advisories import StoredMessage
from services.ledger.domain.upserts import Upserts
from simulation.bus import SimulatedBus
from simulation.process import Link
from simulation.readmodels import ReadModels


class SimulatedRecords:
    def __init__(self, bus: SimulatedBus, models: ReadModels) -> None:
        self._link = Link(bus.process, "mongodb", ordered=False)
        self._models = models

    async def apply(self, upserts: Upserts) -> None:
        await self._link.ask("store", lambda: self._models.apply_now(upserts))

    async def apply_together(self, changes: Sequence[Upserts]) -> Sequence[bool]:
        for change in changes:
            await self.apply(change)
        return [True] * len(changes)

    async def add(self, item: Upserts) -> bool:
        """Each event is a batch of its own here."""
        await self.apply(item)
        return True

    async def recent_trades(self, account_id: str, limit: int) -> list[Trade]:
        return await self._link.ask("trades", lambda: self._models.trades_of(account_id, limit))

    async def endings(self, account_id: str, since: datetime, until: datetime) -> tuple[int, int]:
        return await self._link.ask("endings", lambda: self._models.endings_of(account_id, since, until))


class SimulatedEventLog:
    def __init__(self, bus: SimulatedBus) -> None:
        self._bus = bus

    async def stored(self, stream: str, sequence: int) -> StoredMessage | None:
        found = await self._bus.link.ask("stored", lambda: self._bus.server.streams[stream].messages[sequence - 1])
        return StoredMessage(found.subject, dict(found.headers), found.data)

    async def before(self, key: str, revision: int) -> str | None:
        return None
