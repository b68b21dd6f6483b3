"""Waiting for everything that follows from a moment of the market: only then the next one is published."""

import asyncio
import logging
import time
from datetime import datetime

import nats.js.errors
import orjson
from pydantic import ValidationError

from libs.runtime.bus import NATS_RETRY, Bus
from libs.runtime.errors import Unavailable
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas import subjects
from libs.schemas.kv_keys import LOOKED_KEY
from libs.schemas.market import Looked
from libs.schemas.names import ANY

_POLL_S = 0.005
_SAY_S = 10.0
_ENDS = ["decision.validated.*", "decision.rejected.*", "decision.answered.*", "decision.evaluated.*"]
log = logging.getLogger(__name__)


class NatsLockstep:
    """A moment is over when a context worker has looked at it with all its ticks, behind the executor, every
    request has ended for the live arm, and the executor has taken in every verdict."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._asked: set[str] = set()
        self._ended: set[str] = set()
        self._verdicts = self._executed = self._execution_began = 0
        self._readers: tuple[OrderedReader, ...] = ()

    async def start(self) -> None:
        self._asked.clear()
        self._ended.clear()
        self._verdicts = self._executed = 0
        self._execution_began = (await self._bus.js.stream_info(subjects.EXECUTION.name)).state.last_seq
        requests = [subjects.decision_requested(ANY)]
        start = Start.new()
        self._readers = (
            OrderedReader(self._bus, subjects.REQUESTS.name, requests, self._on_request, start=start),
            OrderedReader(self._bus, subjects.DECISIONS.name, _ENDS, self._on_end, start=start),
        )
        for reader in self._readers:
            await reader.start()

    async def stop(self) -> None:
        for reader in self._readers:
            await reader.stop()
        self._readers = ()

    async def stored(self) -> int:
        try:
            return (await self._bus.js.stream_info(subjects.MARKET.name)).state.last_seq
        except NATS_RETRY as error:
            raise Unavailable(f"NATS is away: {error!r}") from error

    async def over(self, at: datetime) -> None:
        """Return when the moment `at` (market time) is over. Raises Unavailable."""
        began = said = time.monotonic()
        while (waiting := await self._waits_for(at)) is not None:
            if time.monotonic() - said > _SAY_S:
                said = time.monotonic()
                log.warning("in lockstep, %s waits for %.0f s: %s", at.isoformat(), said - began, waiting)
            await asyncio.sleep(_POLL_S)

    async def _waits_for(self, at: datetime) -> str | None:
        try:
            ticks = (await self._bus.js.stream_info(subjects.MARKET.name)).state.last_seq
            entry = await self._bus.kv_get(subjects.KV_LEASE.name, LOOKED_KEY)
            looked = Looked.model_validate_json(entry.value) if entry else None
            if looked is None or looked.at < at or looked.sequence < ticks:
                return "no context worker has looked at it yet"
            asked = (await self._bus.js.stream_info(subjects.REQUESTS.name)).state.last_seq
            if self._readers and self._readers[0].last_sequence < asked:
                return "requests are being read"
            if self._asked:
                return f"{len(self._asked)} requests have not ended"
            return await self._execution()
        except (ValidationError, nats.js.errors.NotFoundError):
            return "the server has no such stream yet"
        except NATS_RETRY as error:
            raise Unavailable(f"NATS is away: {error!r}") from error

    async def _execution(self) -> str | None:
        """Verdicts come into EXECUTION a moment after their stream: they are counted."""
        if self._verdicts == self._executed:
            return None
        taken_in = (await self._bus.js.stream_info(subjects.EXECUTION.name)).state.last_seq
        if taken_in < self._execution_began + self._verdicts:
            return "EXECUTION has not taken in all verdicts"
        for durable in subjects.EXECUTOR_PARTITIONS:
            info = await self._bus.js.consumer_info(durable.stream, durable.name)
            if info.num_pending or info.num_ack_pending:
                return f"{durable.name} is at work"
        self._executed = self._verdicts
        return None

    def _on_request(self, record: Record) -> None:
        name = _request_id(record)
        if name in self._ended:
            self._ended.discard(name)
        else:
            self._asked.add(name)

    def _on_end(self, record: Record) -> None:
        body = orjson.loads(record.data)
        if (body.get("arm") or {}).get("shadow"):
            return
        name = str(body.get("request_id"))
        self._verdicts += record.subject.startswith("decision.validated.")
        if name in self._asked:
            self._asked.discard(name)
        else:
            self._ended.add(name)  # the two streams are read side by side


def _request_id(record: Record) -> str:
    try:
        return str(orjson.loads(record.data)["request_id"])
    except (ValueError, KeyError, TypeError):
        return f"{record.subject}:{record.sequence}"
