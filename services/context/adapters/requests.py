"""What was asked of each account, from the log of requests: by clients, by this worker and by its replicas."""

import logging

import nats.js.errors
from pydantic import ValidationError

from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.clock import Clock
from libs.runtime.errors import Unavailable
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas import subjects
from libs.schemas.context import DecisionRequest
from libs.schemas.names import ANY, key_of
from services.context.domain.triggers import Asked, noted

log = logging.getLogger(__name__)


class NatsRequestLog:
    """The last request of each account survives a restart in REQUESTS."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._asked: dict[str, Asked] = {}
        self._sequences: dict[str, int] = {}
        self._reader = OrderedReader(
            bus,
            subjects.REQUESTS.name,
            [subjects.decision_requested(ANY)],
            self._on_record,
            start=Start.last_per_subject(),
        )

    async def start(self) -> None:
        await self._reader.start()
        await self._reader.caught_up()

    async def stop(self) -> None:
        await self._reader.stop()

    def of(self, account_id: str) -> Asked | None:
        return self._asked.get(account_id)

    def sequence(self, account_id: str) -> int:
        return self._sequences.get(account_id, 0)

    def note(self, body: DecisionRequest, sequence: int) -> None:
        """The log holds this request."""
        name = body.account_id
        self._sequences[name] = max(sequence, self._sequences.get(name, 0))
        if not body.dry_run:
            self._asked[name] = noted(self._asked.get(name), body, sequence, self._clock.now())

    async def refresh(self, account_id: str) -> None:
        """Look at the newest request itself: somebody else has published, or the log has forgotten the one we know."""
        try:
            found = await self._bus.js.get_last_msg(
                subjects.REQUESTS.name, subjects.decision_requested(key_of(account_id))
            )
        except nats.js.errors.NotFoundError:
            self._sequences[account_id] = 0
        except NATS_AWAY as error:
            raise Unavailable(f"NATS is away: {error!r}") from error
        else:
            self._sequences[account_id] = found.seq or 0
            self._take(account_id, found.subject or "", found.data or b"", found.seq or 0)

    def _on_record(self, record: Record) -> None:
        account_id = record.subject.rpartition(".")[2]
        self._sequences[account_id] = record.sequence
        self._take(account_id, record.subject, record.data, record.sequence)

    def _take(self, account_id: str, subject: str, data: bytes, sequence: int) -> None:
        try:
            body = DecisionRequest.model_validate_json(data)
        except ValidationError:
            log.debug("%s:%d is not a request; its handler puts it aside", subject, sequence)
            return
        if body.account_id == account_id:
            self.note(body, sequence)
