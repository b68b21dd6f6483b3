"""What was asked of each account, from the log of requests: by clients, by this worker and by its replicas."""

import logging
from datetime import datetime

from pydantic import ValidationError

from libs.runtime.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas import subjects
from libs.schemas.context import DecisionRequest
from services.context.domain.triggers import Asked

log = logging.getLogger(__name__)


class NatsRequestLog:
    """The last request of each account survives a restart in REQUESTS."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[str, Asked] = {}
        self._reader = OrderedReader(
            bus,
            subjects.REQUESTS.name,
            [subjects.decision_requested("*")],
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

    def note(self, account_id: str, cycle: str | None, at: datetime) -> None:
        """A request was published; `cycle` where an interval triggered it."""
        known = self._asked.get(account_id)
        if known is not None:
            cycle, at = cycle or known.cycle, max(at, known.at)
        self._asked[account_id] = Asked(cycle, at)

    def _on_record(self, record: Record) -> None:
        try:
            body = DecisionRequest.model_validate_json(record.data)
        except ValidationError:
            log.debug("%s:%d is not a request; its handler puts it aside", record.subject, record.sequence)
            return
        if not body.dry_run and record.subject == subjects.decision_requested(body.account_id):
            at = min(body.requested_at, self._clock.now())  # a client's clock must not silence an account
            self.note(body.account_id, body.cycle if body.trigger.kind == "interval" else None, at)
