"""One client's stream: what it lacks from the log, then what comes, as frames that a connection sends."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from libs.records.keys import ApiKey
from services.gateway.domain.problems import Away
from services.gateway.domain.stream_events import LOGS, Channel, LoggedEvent, notice
from services.gateway.domain.stream_ring import Ring, StreamPlace
from services.gateway.domain.stream_wishes import ENDINGS, HEARTBEAT_S, StreamEnd, StreamWish
from services.gateway.ports import Deps
from services.gateway.ports.streams import StreamLog

BATCH = 64  # frames at a time
SCAN = 1_024  # events of others that are passed over at a time
AWAY_S = 7.0  # a heartbeat is due every 5 s; a log that was not heard for longer is said to be silent


class StreamFrame(NamedTuple):
    id: str
    kind: str
    text: str


class LogSource:
    """What a client lacks of one log, some at a time."""

    def __init__(self, streams: StreamLog, log: int, reached: int, until: int) -> None:
        self._streams, self._log, self._until = streams, log, until
        self._reached = reached
        self.events: deque[LoggedEvent] = deque()
        self.whole = reached >= until

    async def missing(self) -> int:
        """How many messages behind this place the log does not have any more; reading goes on behind them."""
        oldest = await self._streams.oldest(self._log)
        lost = max(0, min(oldest - 1, self._until) - self._reached)
        self._reached += lost
        return lost

    async def fill(self) -> None:
        if self.events or self.whole:
            return
        self.events.extend(await self._streams.after(self._log, self._reached, self._until))
        self.whole = not self.events
        if self.events:
            self._reached = self.events[-1].sequence


class StreamSession:
    """`cut` ends the connection at once. `sending_since` is when the connection was given what it has not taken yet.

    `reached` is how far the client has had everything that is for it: each id that it sees says this.
    """

    def __init__(
        self,
        deps: Deps,
        key: ApiKey,
        wish: StreamWish,
        ring: Ring,
        place: StreamPlace | None,
        cut: Callable[[], None],
    ) -> None:
        self._deps = deps
        self.key, self.wish, self.cut = key, wish, cut
        self.accounts = wish.accounts(key.accounts)
        self._ring = ring
        self._epoch = deps.streams.epoch
        self._anew = () if place is None else place.other_logs(self._epoch)
        self._reached = list(ring.head if place is None else place.reached)
        for log in self._anew:
            self._reached[log] = 0
        self._index = ring.next
        self._market = 0 if place is None else place.market
        self._market_order = 0
        self._woken = asyncio.Event()
        self._heartbeat_at = deps.clock.monotonic()
        self._heartbeat_due = False
        self.follows_market = False
        self.ending: StreamEnd | None = None
        self.sending_since: float | None = None
        self.handed = 0

    def wake(self) -> None:
        self._woken.set()

    def end(self, why: StreamEnd) -> None:
        """The first reason counts."""
        if self.ending is None:
            self.ending = why
        self._woken.set()

    async def handing(self, sending: Awaitable[None]) -> None:
        """Wait until the connection has taken something; how long that lasts is looked at from outside."""
        self.sending_since = self._deps.clock.monotonic()
        await sending
        self.sending_since = None

    def tick(self, now: float, heartbeat_s: float) -> None:
        """Time went by: a heartbeat may be due, the market may have moved, the log may be another."""
        if self._deps.streams.ring is not self._ring:
            self.end(StreamEnd.LOG_RESTARTED)
        if now - self._heartbeat_at >= heartbeat_s:
            self._heartbeat_at, self._heartbeat_due = now, True
            self._woken.set()
        if self.follows_market and self._deps.market_feed.order > self._market_order:
            self._woken.set()

    async def frames(self) -> AsyncGenerator[list[StreamFrame], None]:
        """Frames as they come, a few at a time; the last one says why it ended."""
        yield [self._opened()]
        try:
            async for frames in self._from_log():
                yield frames
        except Away:
            self.end(StreamEnd.DEPENDENCY_AWAY)
        while self.ending is None:
            self._woken.clear()
            frames = [*self._heartbeat(), *self._from_ring(), *self._from_market()]
            if frames:
                yield frames
            if self._index == self._ring.next and not frames:
                await self._woken.wait()
            else:
                await asyncio.sleep(0)
        if self.ending is not StreamEnd.LEFT:
            yield [self._ended(self.ending)]

    async def _from_log(self) -> AsyncIterator[list[StreamFrame]]:
        """Until nothing is lacking that is not in memory; what comes meanwhile may push out what was."""
        if self._anew:
            yield [self._gap("another-log", self._anew)]
        while lacking := [log for log in range(len(LOGS)) if self._ring.lacks(tuple(self._reached), log)]:
            until = self._ring.floor
            sources = {log: self._source(log, until) for log in lacking}
            for log, source in sources.items():
                if not source.whole and (lost := await source.missing()):
                    self._reached[log] += lost
                    if log not in self._anew:
                        yield [self._gap("expired", (log,), lost)]
            async for frames in self._merged(sources):
                yield frames
            for log in lacking:
                self._reached[log] = max(self._reached[log], until[log])
            if self.ending is not None:
                return
        self._index = self._ring.index_after(tuple(self._reached))

    def _source(self, log: int, until: tuple[int, ...]) -> LogSource:
        """Of a log that is on no wanted channel nothing is lacking."""
        reached = self._reached[log] if LOGS[log].channels & self.wish.channels else until[log]
        return LogSource(self._deps.streams, log, reached, until[log])

    async def _merged(self, sources: dict[int, LogSource]) -> AsyncIterator[list[StreamFrame]]:
        """Events of several logs in the order in which they were stored."""
        frames: list[StreamFrame] = []
        while self.ending is None:
            for source in sources.values():
                await source.fill()
            waiting = [source for source in sources.values() if source.events]
            if not waiting:
                break
            first = min(waiting, key=lambda source: source.events[0].stored_ns)
            frames += self._taken(first.events.popleft())
            if len(frames) >= BATCH or self._heartbeat_due:
                yield [*self._heartbeat(), *frames]
                frames = []
        if frames:
            yield frames

    def _from_ring(self) -> list[StreamFrame]:
        ring, frames = self._ring, list[StreamFrame]()
        if self._index < ring.first:
            self.end(StreamEnd.TOO_SLOW)
            return frames
        until = min(ring.next, self._index + SCAN)
        while self._index < until and len(frames) < BATCH:
            frames += self._taken(ring.at(self._index))
            self._index += 1
        return frames

    def _taken(self, event: LoggedEvent) -> Iterator[StreamFrame]:
        """The event as a frame, if it is for this client and new to it."""
        if event.sequence <= self._reached[event.log]:
            return
        self._reached[event.log] = event.sequence
        if self.wish.takes(event, self.key.accounts):
            self.handed += 1
            yield self._frame(event.kind, event.tail)

    def _from_market(self) -> list[StreamFrame]:
        if not self.follows_market:
            return []
        frames, began = [], self._market_order == 0
        for event in self._deps.market_feed.newer(self._market_order):
            self._market_order = event.order
            if self.wish.takes_market(event) and not (began and event.sequence <= self._market):
                self._market = event.sequence
                self.handed += 1
                frames.append(self._frame(event.kind, event.tail))
        return frames

    def _heartbeat(self) -> Iterator[StreamFrame]:
        if self._heartbeat_due:
            self._heartbeat_due = False
            silence_s = self._deps.streams.silence_s
            data = {"log": "followed" if silence_s < AWAY_S else "silent", "silence_s": round(silence_s, 1)}
            yield self._frame("stream.heartbeat", notice("stream.heartbeat", data))

    def _opened(self) -> StreamFrame:
        data = {"channels": self._channels(), "heartbeat_s": HEARTBEAT_S}
        return self._frame("stream.opened", notice("stream.opened", data))

    def _gap(self, reason: str, logs: tuple[int, ...], messages: int | None = None) -> StreamFrame:
        channels = frozenset[Channel]().union(*(LOGS[log].channels for log in logs)) & self.wish.channels
        data: dict[str, Any] = {"reason": reason, "channels": sorted(channels), "messages": messages}
        return self._frame("stream.gap", notice("stream.gap", data))

    def _ended(self, why: StreamEnd) -> StreamFrame:
        return self._frame("stream.ended", notice("stream.ended", {"reason": why, "detail": ENDINGS[why].detail}))

    def _channels(self) -> list[str]:
        return sorted(self.wish.channels)

    def _frame(self, kind: str, tail: str) -> StreamFrame:
        place = f"1.{'.'.join(map(str, self._reached))}.{self._market}.{self._epoch}"
        return StreamFrame(place, kind, f'{{"id":"{place}",{tail}')
