"""Routes of streams: server-sent events, and tickets. WebSockets are in `sockets.py`."""

from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.types import Receive, Scope, Send

from libs.records.keys import ApiKey
from libs.records.keys import Scope as KeyScope
from libs.runtime.sockets import ClientLine, line_of
from libs.schemas.base import AccountId
from services.gateway.application.stream_sessions import StreamFrame, StreamSession
from services.gateway.application.streams import StreamHub, ticket_for
from services.gateway.domain.stream_wishes import (
    DEFAULT_CHANNELS,
    ChannelList,
    EventId,
    StreamEnd,
    StreamQuery,
    StreamTicket,
    SymbolList,
    Ticket,
)
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.watching import watched
from services.gateway.ports import Deps

EVENT_STREAM = "text/event-stream"


def path_of(base: str) -> str:
    return f"{base}/stream"


def routes(deps: Deps, hub: StreamHub, base: str) -> APIRouter:
    router = APIRouter(prefix=base, tags=["streams"], responses=PROBLEMS)
    may_read = Depends(key_with(KeyScope.READ))

    @router.post("/stream/tickets", status_code=201)
    async def ticket(key: Annotated[ApiKey, may_read]) -> StreamTicket:
        """A ticket for one stream, for clients that cannot send a key: a browser's EventSource. It opens one, once."""
        return await ticket_for(deps, key)

    @router.get("/stream", response_class=Response, responses={200: {"content": {EVENT_STREAM: {}}}})
    async def stream(
        request: Request,
        key: Annotated[ApiKey, may_read],
        channels: Annotated[ChannelList, Query()] = DEFAULT_CHANNELS,
        account_id: Annotated[AccountId | None, Query()] = None,
        symbols: Annotated[SymbolList | None, Query()] = None,
        last_event_id: Annotated[EventId | None, Query()] = None,
        ticket: Annotated[Ticket | None, Query()] = None,
        resumed: Annotated[EventId | None, Header(alias="Last-Event-ID")] = None,
    ) -> Response:
        """Events as they happen, as server-sent events; a WebSocket at the same path has the same ones."""
        query = StreamQuery(
            channels=channels, account_id=account_id, symbols=symbols, last_event_id=resumed or last_event_id
        )
        line = line_of(request.scope)
        return EventStream(hub, await hub.open(key, query, line.cut), line)

    return router


class EventStream(Response):
    """An answer that lasts as long as its session."""

    media_type = EVENT_STREAM

    def __init__(self, hub: StreamHub, session: StreamSession, line: ClientLine) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub, self._session, self._line = hub, session, line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._session
        try:
            async with watched(_until_gone(receive, session), _until_stop(self._line, session)):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._send_all(send)
        finally:
            await self._hub.close(session)

    async def _send_all(self, send: Send) -> None:
        session = self._session
        async with aclosing(session.frames()) as batches:
            async for frames in batches:
                body = "".join(map(_written, frames)).encode()
                await session.handing(send({"type": "http.response.body", "body": body, "more_body": True}))
        await session.handing(send({"type": "http.response.body", "body": b"", "more_body": False}))


async def _until_gone(receive: Receive, session: StreamSession) -> None:
    message: Any = {}
    while message.get("type") != "http.disconnect":
        message = await receive()
    session.end(StreamEnd.LEFT)


async def _until_stop(line: ClientLine, session: StreamSession) -> None:
    await line.leaving.wait()
    session.end(StreamEnd.STOPPING)


def _written(frame: StreamFrame) -> str:
    return f"id: {frame.id}\nevent: {frame.kind}\ndata: {frame.text}\n\n"
