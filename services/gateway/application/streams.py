"""Streams: who opens one, and what ends one. Every stream of the process is looked at four times a second."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from http import HTTPStatus

from libs.records.keys import ApiKey, KeyRefusal, Scope, token_hash
from services.gateway.application.access import (
    identified,
    in_touch,
    refusal_of,
    seen_account,
    ticket_holder,
    with_scope,
)
from services.gateway.application.stream_sessions import StreamSession
from services.gateway.domain.problems import Away, Refusal, RequestRefused
from services.gateway.domain.stream_events import Channel
from services.gateway.domain.stream_ring import place_in
from services.gateway.domain.stream_wishes import (
    HEARTBEAT_S,
    TICKET_S,
    StreamEnd,
    StreamQuery,
    StreamTicket,
    wish_of,
)
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps

LOOK_S = 0.25
STALLED_S = 10.0  # for one event to leave
PARTING_S = 1.0  # for the last ones of a stream that has ended


async def ticket_for(deps: Deps, key: ApiKey) -> StreamTicket:
    """A ticket for one stream; what is kept of it opens nothing."""
    ticket = f"once_{deps.new_id()}"
    await deps.tickets.keep(token_hash(ticket), key.hash, deps.clock.wall() + timedelta(seconds=TICKET_S))
    return StreamTicket(ticket=ticket, expires_in=TICKET_S)


async def stream_caller(deps: Deps, token: str | None, ticket: str | None, address: str) -> ApiKey:
    """Who opens a stream: by a key, else by a ticket."""
    if token is not None or ticket is None:
        return identified(deps, token, address)
    return await ticket_holder(deps, ticket, address)


class StreamHub:
    """The open streams of this process. It looks after them while there are any."""

    def __init__(self, deps: Deps, metrics: GatewayMetrics) -> None:
        self._deps = deps
        self._metrics = metrics
        self._sessions: set[StreamSession] = set()
        self._tending: asyncio.Task[None] | None = None

    def require_room(self) -> None:
        if len(self._sessions) >= self._deps.rates.streams:
            detail = f"this gateway has {self._deps.rates.streams} streams open; try again, or another gateway"
            headers = {"Retry-After": "5"}
            raise RequestRefused(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too-many-streams", detail, headers=headers))

    async def open(self, key: ApiKey, query: StreamQuery, cut: Callable[[], None]) -> StreamSession:
        """A stream, to be closed. `cut` ends its connection where its client does not read."""
        in_touch(self._deps)
        with_scope(key, Scope.READ)
        if query.account_id is not None:
            seen_account(self._deps, key, query.account_id)
        self.require_room()
        ring = self._deps.streams.ring
        if ring is None:
            raise Away("NATS")
        place = place_in(query.last_event_id) if query.last_event_id else None
        session = StreamSession(self._deps, key, wish_of(query), ring, place, cut)
        self._sessions.add(session)
        self._metrics.streams.set(len(self._sessions))
        self._deps.streams.listeners.add(session.accounts, session.wake)
        if self._tending is None:
            self._tending = asyncio.create_task(self._tend(), name="streams")
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.close, session)
            await self._join_market(session)
            undo.pop_all()
        return session

    async def _join_market(self, session: StreamSession) -> None:
        if Channel.MARKET in session.wish.channels:
            await self._deps.market_feed.join()
            session.follows_market = True

    async def close(self, session: StreamSession) -> None:
        session.end(StreamEnd.LEFT)
        self._sessions.discard(session)
        self._metrics.streams.set(len(self._sessions))
        self._metrics.stream_events.inc(session.handed)
        self._metrics.stream_ends.labels(session.ending or StreamEnd.LEFT).inc()
        self._deps.streams.listeners.remove(session.accounts, session.wake)
        if session.follows_market:
            session.follows_market = False
            await self._deps.market_feed.leave()

    async def _tend(self) -> None:
        """Ends with the last stream."""
        while self._sessions:
            for session in tuple(self._sessions):
                self._look_after(session)
            await asyncio.sleep(LOOK_S)
        self._tending = None

    def _look_after(self, session: StreamSession) -> None:
        now, key = self._deps.clock.wall(), self._deps.keys.find(session.key.hash)
        if key is None:
            session.end(StreamEnd.KEY_UNKNOWN)
        elif (why := refusal_of(self._deps, key, now)) is not None:
            session.end(StreamEnd.KEY_EXPIRED if why is KeyRefusal.EXPIRED else StreamEnd.KEY_REVOKED)
        elif not self._deps.keys.in_touch():
            session.end(StreamEnd.KEYS_OUT_OF_TOUCH)
        monotonic = self._deps.clock.monotonic()
        session.tick(monotonic, HEARTBEAT_S)
        patience_s = STALLED_S if session.ending is None else PARTING_S
        if session.sending_since is not None and monotonic - session.sending_since > patience_s:
            session.end(StreamEnd.TOO_SLOW)
            session.cut()
