"""Messages of the log by their sequence, and the history of the configuration."""

import nats.js.errors

from libs.configuration.kv_store import KvConfigStore
from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.errors import Unavailable
from services.ledger.domain.advisories import StoredMessage


class NatsEventLog:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._configuration = KvConfigStore(bus)

    async def stored(self, stream: str, sequence: int) -> StoredMessage | None:
        """Not a direct get: for a stream that is gone that one has no responder, which looks like an outage."""
        try:
            message = await self._bus.js.get_msg(stream, seq=sequence)
        except nats.js.errors.NotFoundError:
            return None
        except NATS_AWAY as error:
            raise Unavailable(f"NATS is away: {error!r}") from error
        return StoredMessage(message.subject or "", dict(message.headers or {}), message.data or b"")

    async def before(self, key: str, revision: int) -> str | None:
        earlier = [one for one in await self._configuration.history(key) if one.revision < revision]
        value = earlier[-1].value if earlier else None
        return None if value is None else value.decode(errors="replace")
