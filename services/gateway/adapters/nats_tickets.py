"""Tickets of streams in KV `claims`: any gateway takes one, and one alone."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from libs.runtime.bus import Bus
from libs.runtime.errors import Conflict, Unavailable
from libs.schemas.kv_keys import claim_key
from libs.schemas.subjects import KV_CLAIMS
from services.gateway.domain.problems import Away


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True)

    key_hash: str | None
    until: datetime


class NatsTickets:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def keep(self, ticket: str, key_hash: str, until: datetime) -> None:
        body = _Kept(key_hash=key_hash, until=until).model_dump_json().encode()
        try:
            await self._bus.kv_put(KV_CLAIMS.name, _place(ticket), body, last=0)
        except Unavailable as error:
            raise Away("NATS") from error

    async def take(self, ticket: str, now: datetime) -> str | None:
        try:
            entry = await self._bus.kv_get(KV_CLAIMS.name, _place(ticket), fresh=True)
            if entry is None:
                return None
            kept = _Kept.model_validate_json(entry.value)
            used = kept.model_copy(update={"key_hash": None})
            await self._bus.kv_put(KV_CLAIMS.name, _place(ticket), used.model_dump_json().encode(), last=entry.revision)
        except (Conflict, ValidationError):
            return None
        except Unavailable as error:
            raise Away("NATS") from error
        return kept.key_hash if now < kept.until else None


def _place(ticket: str) -> str:
    return claim_key("ticket", ticket[:32])
