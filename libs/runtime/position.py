"""How far a reader has got in a stream, and where it goes on after the server or the connection was away."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy, StreamInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins."""

    policy: DeliverPolicy
    sequence: int | None = None
    time: datetime | None = None

    @classmethod
    def new(cls) -> "Start":
        return cls(DeliverPolicy.NEW)

    @classmethod
    def all(cls) -> "Start":
        return cls(DeliverPolicy.ALL)

    @classmethod
    def last_per_subject(cls) -> "Start":
        return cls(DeliverPolicy.LAST_PER_SUBJECT)

    @classmethod
    def at(cls, sequence: int) -> "Start":
        return cls(DeliverPolicy.BY_START_SEQUENCE, sequence=max(1, sequence))

    @classmethod
    def since(cls, when: datetime) -> "Start":
        """Messages stored from wall time `when` on."""
        return cls(DeliverPolicy.BY_START_TIME, time=when)


class StreamPosition:
    """The last record of one stream that was read. Sequences alone do not tell it: MARKET is stored without waiting for
    the disk, so that a killed server comes back without its newest records and gives their sequences to others."""

    def __init__(self, stream: str, start: Start) -> None:
        self._stream = stream
        self._start = start
        self._created: datetime | None = None
        self.sequence = 0
        self.time_ns = 0

    async def find(self, js: JetStreamContext) -> Start:
        """Where to read from now. Raises what nats-py raises while the stream cannot be asked for."""
        info = await js.stream_info(self._stream)
        before, self._created = self._created, info.created
        if before is None:
            return await self._first(js, info)
        if info.created != before:
            log.warning("the stream %s was made anew; reading it from its beginning", self._stream)
            self.sequence = self.time_ns = 0
            if self._start.policy is not DeliverPolicy.LAST_PER_SUBJECT:
                self._start = Start.all()
            return self._start
        if not self.sequence:
            return self._start
        if self.time_ns and await self._was_cut(js, info):
            log.warning("the stream %s lost its newest records; going on with what came after them", self._stream)
            self.sequence = 0
            self._start = Start.since(_time(self.time_ns) + _MICROSECOND)
            return self._start
        return Start.at(self.sequence + 1)

    async def _first(self, js: JetStreamContext, info: StreamInfo) -> Start:
        """The start as asked for; "new" becomes a place, for what comes while the connection is away is new as well."""
        if self._start.policy is not DeliverPolicy.NEW:
            return self._start
        self.sequence = info.state.last_seq
        last = await self._stored(js)
        self.time_ns = (last - _EPOCH) // _MICROSECOND * 1_000 if last else 0
        self._start = Start.at(self.sequence + 1)
        return self._start

    async def _was_cut(self, js: JetStreamContext, info: StreamInfo) -> bool:
        """Whether the last record that was read is gone although no limit removed it."""
        if info.state.last_seq < self.sequence:
            return True
        stored = await self._stored(js)
        return stored is not None and stored != _time(self.time_ns)

    async def _stored(self, js: JetStreamContext) -> datetime | None:
        """When the record at this position was stored; None when there is none (any more)."""
        if not self.sequence:
            return None
        try:
            return (await js.get_msg(self._stream, self.sequence)).time
        except nats.js.errors.NotFoundError:
            return None


def _time(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1_000)
