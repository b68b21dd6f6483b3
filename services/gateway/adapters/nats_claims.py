"""First uses of idempotency keys in KV `claims`, which forgets them after a day: no control waits for MongoDB."""

import hashlib
import logging
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from libs.runtime.bus import Bus
from libs.runtime.errors import Conflict, Unavailable
from libs.schemas.kv_keys import claim_key
from libs.schemas.subjects import KV_CLAIMS
from services.gateway.adapters.connected import require_connection
from services.gateway.domain.problems import Away
from services.gateway.ports import Claim

ATTEMPTS = 3
log = logging.getLogger(__name__)


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True)

    fingerprint: str
    first_seen: datetime
    answer: str | None = None


class NatsClaims:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def claim(self, key_id: str, idempotency_key: str, fingerprint: str, now: datetime) -> Claim:
        """What is claimed in vain is free again after a day."""
        require_connection(self._bus)
        place, mine = _place(key_id, idempotency_key), _Stored(fingerprint=fingerprint, first_seen=now)
        try:
            return await self._claimed(place, mine)
        except Unavailable as error:
            raise Away("NATS") from error

    async def _claimed(self, place: str, mine: _Stored) -> Claim:
        for _ in range(ATTEMPTS):
            try:
                await self._bus.kv_put(KV_CLAIMS.name, place, mine.model_dump_json().encode(), last=0)
            except Conflict:
                entry = await self._bus.kv_get(KV_CLAIMS.name, place, fresh=True)
            else:
                return Claim(mine.fingerprint, mine.first_seen)
            if entry is not None:
                first = _Stored.model_validate_json(entry.value)
                return Claim(first.fingerprint, first.first_seen, first.answer, mine=False)
        raise Unavailable(f"{place} ends and begins at this moment")

    async def done(self, key_id: str, idempotency_key: str, claim: Claim, answer: str) -> None:
        """What was done stays done where this cannot be kept: a repetition then looks for itself."""
        stored = _Stored(fingerprint=claim.fingerprint, first_seen=claim.first_seen, answer=answer)
        try:
            await self._bus.kv_put(KV_CLAIMS.name, _place(key_id, idempotency_key), stored.model_dump_json().encode())
        except (Unavailable, ValueError, ValidationError) as error:
            log.warning("the answer to a repetition is not kept: %s", error)


def _place(key_id: str, idempotency_key: str) -> str:
    return claim_key(key_id, hashlib.sha256(idempotency_key.encode("utf-8", "replace")).hexdigest()[:32])
