"""Streams over WebSocket."""

import asyncio
import json
from contextlib import aclosing
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from libs.records.keys import ApiKey
from libs.runtime.sockets import line_of
from libs.runtime.validation import describe
from services.gateway.application.access import too_many
from services.gateway.application.stream_sessions import StreamSession
from services.gateway.application.streams import StreamHub, stream_caller
from services.gateway.domain.problems import MEDIA_TYPE, Away, Refusal, RequestRefused, away, invalid
from services.gateway.domain.stream_wishes import ENDINGS, StreamEnd, StreamLogin, StreamQuery
from services.gateway.handlers.edge import token_in
from services.gateway.handlers.watching import watched
from services.gateway.ports import Deps

LOGIN_S = 10.0
MOST_STRANGERS = 256  # clients that have not said who they are
_NO_PATH = Refusal(HTTPStatus.NOT_FOUND, "no-such-path", "there is no WebSocket at this path")


class Gone(Exception):
    """The client left before its stream began."""


class StreamSockets:
    """A client is known by its first request, or by its first message within ten seconds."""

    def __init__(self, deps: Deps, hub: StreamHub, path: str) -> None:
        self._deps, self._hub, self._path = deps, hub, path
        self._strangers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # the client asks for the connection
        try:
            query, key = await self._asked(scope)
        except RequestRefused as error:
            await _deny(scope, send, error.refusal)
            return
        except Away as error:
            await _deny(scope, send, away(error))
            return
        await send({"type": "websocket.accept"})
        try:
            session = await self._hub.open(key or await self._login(scope, receive), query, line_of(scope).cut)
        except RequestRefused as error:
            await _close(send, error.refusal)
        except Away as error:
            await _close(send, away(error))
        except Gone:
            return
        else:
            await self._run(session, receive, send)

    async def _asked(self, scope: Scope) -> tuple[StreamQuery, ApiKey | None]:
        """What the client wants, and who it is where its request says so."""
        refusal = scope["state"]["refusal"] or (_NO_PATH if scope["path"] != self._path else None)
        if refusal is not None:
            raise RequestRefused(refusal)
        query, token = _query(scope), token_in(Headers(scope=scope))
        if token is None and query.ticket is None:
            return query, None
        return query, await self._caller(scope, token, query.ticket)

    async def _caller(self, scope: Scope, token: str | None, ticket: str | None) -> ApiKey:
        key = await stream_caller(self._deps, token, ticket, str((scope.get("client") or ("unknown",))[0]))
        allowance = await self._deps.limits.take(key.key_id, self._deps.rates.of_key)
        if not allowance.granted:
            raise too_many("requests with this API key", allowance.reset_s)
        return key

    async def _login(self, scope: Scope, receive: Receive) -> ApiKey:
        self._hub.require_room()
        if self._strangers >= MOST_STRANGERS:
            raise too_many("clients that do not say who they are", 5)
        self._strangers += 1
        try:
            async with asyncio.timeout(LOGIN_S):
                message: Any = await receive()
        except TimeoutError:
            raise invalid("auth", f"no key and no ticket came within {LOGIN_S:g} s") from None
        finally:
            self._strangers -= 1
        if message["type"] != "websocket.receive":
            raise Gone
        login = _login_of(message)
        return await self._caller(scope, login.key, login.ticket)

    async def _run(self, session: StreamSession, receive: Receive, send: Send) -> None:
        try:
            async with watched(_until_gone(receive, session)):
                await _send_all(session, send)
        except OSError:  # so a server says that the client is gone
            session.end(StreamEnd.LEFT)
        finally:
            await self._hub.close(session)


async def _send_all(session: StreamSession, send: Send) -> None:
    async with aclosing(session.frames()) as batches:
        async for frames in batches:
            for frame in frames:
                await session.handing(send({"type": "websocket.send", "text": frame.text}))
    why = session.ending
    if why is not None and why is not StreamEnd.LEFT:
        await session.handing(send({"type": "websocket.close", "code": ENDINGS[why].code, "reason": why.value}))


async def _until_gone(receive: Receive, session: StreamSession) -> None:
    """What a client says after the beginning is not listened to."""
    message: Any = {}
    while message.get("type") != "websocket.disconnect":
        message = await receive()
    session.end(StreamEnd.LEFT)


def _query(scope: Scope) -> StreamQuery:
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    names = [name for name, _ in given]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise invalid(f"query.{twice[:40]}", "it is given more than once")
    try:
        return StreamQuery.model_validate(dict(given))
    except ValidationError as error:
        where, what = describe(error.errors(include_url=False, include_input=False))
        raise invalid(f"query.{where or 'fields'}", what) from None


def _login_of(message: Any) -> StreamLogin:
    wanted = 'the first message is {"type": "auth", "key": …} or has a "ticket"'
    try:
        return StreamLogin.model_validate(json.loads(message.get("text") or ""))
    except (ValidationError, ValueError, RecursionError):
        raise invalid("auth", wanted) from None


async def _deny(scope: Scope, send: Send, refusal: Refusal) -> None:
    """By an answer: there is no WebSocket yet."""
    problem = refusal.problem(scope["path"], scope["state"]["request_id"])
    headers = {"Content-Type": MEDIA_TYPE, **refusal.headers}
    raw = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": problem.model_dump_json().encode()})


async def _close(send: Send, refusal: Refusal) -> None:
    """By a code, which is 4000 and the status, and the name of the problem."""
    await send({"type": "websocket.close", "code": 4000 + refusal.status.value, "reason": refusal.slug})
