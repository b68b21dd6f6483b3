"""The log for streams and for requests that wait: one reader of each stream for all, and pages of what is not in memory
any more."""

import asyncio
import hashlib
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from libs.runtime.bus import NATS_RETRY, Bus
from libs.runtime.ending import end
from libs.runtime.reader import UNREADABLE, OrderedReader, Record, Start
from libs.schemas.base import Message
from services.gateway.domain.problems import Away
from services.gateway.domain.stream_events import LOGS, LoggedEvent
from services.gateway.domain.stream_ring import Listeners, Ring

PAGE_EVENTS, PAGE_BYTES = 256, 2 * 1024 * 1024
PAGES_AT_ONCE = 4
PAGES_HELD = 32
PAGE_S = 10.0
AGAIN_S = 0.5
log = logging.getLogger(__name__)


class AccountListeners:
    """Requests that wait for what is decided and ordered for their account."""

    def __init__(self) -> None:
        self._of: defaultdict[str, set[Callable[[Message], None]]] = defaultdict(set)

    @contextmanager
    def join(self, account_id: str, hear: Callable[[Message], None]) -> Iterator[None]:
        self._of[account_id].add(hear)
        try:
            yield
        finally:
            self._of[account_id].discard(hear)
            if not self._of[account_id]:
                del self._of[account_id]

    def tell(self, event: LoggedEvent) -> None:
        hearing = self._of.get(event.account_id or "", ())
        message = event.message if hearing else None
        if message is not None:
            for hear in tuple(hearing):
                hear(message)


class NatsStreamLog:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._readers: list[OrderedReader] = []
        self._pages = _Pages(bus)
        self._renewing: asyncio.Task[None] | None = None
        self.listeners = Listeners()
        self.waiting = AccountListeners()
        self.ring: Ring | None = None
        self.epoch = "0" * 12

    @property
    def silence_s(self) -> float:
        return max((reader.silence_s for reader in self._readers), default=0.0)

    async def start(self) -> None:
        infos = [await self._bus.js.stream_info(one.stream.name) for one in LOGS]
        self.epoch = "".join(hashlib.sha256(str(info.created).encode()).hexdigest()[:4] for info in infos)
        floor = tuple(info.state.last_seq for info in infos)
        ring = Ring(floor)
        for number, one in enumerate(LOGS):
            reader = OrderedReader(
                self._bus, one.stream.name, one.filters, self._taker(number, ring), start=Start.at(floor[number] + 1)
            )
            self._readers.append(reader)
            await reader.start()
        self.ring = ring

    async def stop(self) -> None:
        if self._renewing is not None:
            await end([self._renewing])
        await self._leave()

    async def _leave(self) -> None:
        readers, self._readers = self._readers, []
        for reader in readers:
            await reader.stop()

    def _taker(self, number: int, ring: Ring):  # type: ignore[no-untyped-def]
        def take(record: Record) -> None:
            event = LoggedEvent(number, record.sequence, record.timestamp_ns, record.subject, record.data)
            if ring.append(event):
                self.listeners.tell(event)
                self.waiting.tell(event)
            elif self.ring is ring:
                self._begin_anew()

        return take

    def _begin_anew(self) -> None:
        """A log counts from its beginning again: what is in memory is of another one."""
        log.warning("the log was made anew; its streams end, and may begin again")
        self.ring = None
        self.listeners.tell_all()
        self._renewing = asyncio.create_task(self._renew(), name="stream-log")

    async def _renew(self) -> None:
        self._pages = _Pages(self._bus)
        while True:
            await self._leave()
            try:
                await self.start()
            except NATS_RETRY as error:
                log.warning("the log cannot be followed yet: %r", error)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def oldest(self, log: int) -> int:
        try:
            return int((await self._bus.js.stream_info(LOGS[log].stream.name)).state.first_seq)
        except UNREADABLE as error:
            raise Away("NATS") from error

    async def after(self, log: int, sequence: int, until: int) -> Sequence[LoggedEvent]:
        return await self._pages.get(log, sequence, until)


class _Pages:
    """Parts of the log, read a few at a time and kept for a while: clients that come back after an outage all ask for
    the same ones."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._slots = asyncio.Semaphore(PAGES_AT_ONCE)
        self._held: OrderedDict[tuple[int, int, int], Sequence[LoggedEvent]] = OrderedDict()

    async def get(self, log: int, sequence: int, until: int) -> Sequence[LoggedEvent]:
        place = (log, sequence, until)
        async with self._slots:
            page = self._held.get(place)
            if page is None:
                page = self._held[place] = await self._read(log, sequence, until)
                if len(self._held) > PAGES_HELD:
                    self._held.popitem(last=False)
        return page

    async def _read(self, log: int, sequence: int, until: int) -> Sequence[LoggedEvent]:
        events: list[LoggedEvent] = []
        whole, size = asyncio.Event(), 0

        def take(record: Record) -> None:
            nonlocal size
            if whole.is_set() or record.sequence > until:
                whole.set()
                return
            events.append(LoggedEvent(log, record.sequence, record.timestamp_ns, record.subject, record.data))
            size += len(record.data)
            if len(events) >= PAGE_EVENTS or size >= PAGE_BYTES:
                whole.set()

        one = LOGS[log]
        reader = OrderedReader(self._bus, one.stream.name, one.filters, take, start=Start.at(sequence + 1))
        try:
            async with asyncio.timeout(PAGE_S):
                await reader.start()
                await _either(whole, reader)
        except UNREADABLE as error:
            raise Away("NATS") from error
        finally:
            await reader.stop()
        return tuple(events)


async def _either(whole: asyncio.Event, reader: OrderedReader) -> None:
    waits = [asyncio.create_task(whole.wait()), asyncio.create_task(reader.caught_up())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(waits)
