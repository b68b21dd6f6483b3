"""Executed stops, targets and liquidations, from the log of positions."""

import logging
from datetime import timedelta

from pydantic import ValidationError

from libs.runtime.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas import subjects
from libs.schemas.names import ANY
from libs.schemas.orders import PositionEvent
from services.context.domain.causes import EXECUTED
from services.context.domain.triggers import MAX_AGE_S
from services.context.ports import ContextConfiguration

_FILTERS = [subjects.position_event(kind, ANY) for kind in ("changed", "closed", "liquidated")]
_MARGIN_S = 120.0  # clocks of this machine and of the server may differ; market time may have stood still
log = logging.getLogger(__name__)


class NatsPositionLog:
    """The newest of them by account. At a start it reads as far back as one may still be deferred."""

    def __init__(self, bus: Bus, clock: Clock, config: ContextConfiguration) -> None:
        self._bus = bus
        self._clock = clock
        self._config = config
        self._newest: dict[str, PositionEvent] = {}
        self._reader: OrderedReader | None = None

    async def start(self) -> None:
        pause = max((a.min_seconds_between_decisions for a in self._config.accounts.values()), default=0)
        back = timedelta(seconds=_MARGIN_S + (MAX_AGE_S + pause) / min(1.0, self._clock.speed))
        start = Start.since(self._clock.wall() - back)
        self._reader = OrderedReader(self._bus, subjects.ORDERS.name, _FILTERS, self._on_record, start=start)
        await self._reader.start()
        await self._reader.caught_up()

    async def stop(self) -> None:
        if self._reader is not None:
            await self._reader.stop()

    def executed(self, account_id: str) -> PositionEvent | None:
        return self._newest.get(account_id)

    def _on_record(self, record: Record) -> None:
        try:
            event = PositionEvent.model_validate_json(record.data)
        except ValidationError:
            log.warning("%s:%d is no position event and triggers nothing", record.subject, record.sequence)
            return
        known = self._newest.get(event.account_id)
        if event.cause in EXECUTED and (known is None or event.account_version >= known.account_version):
            self._newest[event.account_id] = event
