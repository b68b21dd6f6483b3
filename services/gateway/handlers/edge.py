"""The outermost layer: request ids, names of the host, who calls and how often, the limit of a body, and counting."""

import asyncio
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.records.keys import ApiKey
from libs.runtime import tracing
from services.gateway.application.access import in_touch, ticket_holder, too_many
from services.gateway.application.sign_in import SIGN_IN_PREFIX
from services.gateway.application.streams import stream_caller
from services.gateway.domain.problems import MEDIA_TYPE, Away, Refusal, RequestRefused, away
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps

MAX_BODY = 1024 * 1024
PART_S, BODY_S = 10.0, 60.0  # for the next part of a body, and for the whole
REQUEST_ID = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:|/+=@-]{1,128}")
_CALMS = re.compile(r"/(control|positions/[^/]+/(close|stop|target)|orders/[^/]+/cancel)$")  # takes risk away
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", f"a body has at most {MAX_BODY} bytes; send less"
)


class Edge:
    """Wraps the whole application, so that its own error answers carry the request id too."""

    part_s = PART_S

    def __init__(
        self, app: ASGIApp, deps: Deps, metrics: GatewayMetrics, base: str, sockets: ASGIApp | None = None
    ) -> None:
        self._app, self._sockets = app, sockets or app
        self._base = f"{base}/"
        self._open = f"{base}/openapi.json"
        self._sign_in = f"{base}/sign-in"
        self._deps = deps
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID)
        named = given if given and _REQUEST_ID.fullmatch(given) else None
        scope.setdefault("state", {})["request_id"] = named or self._deps.new_id()
        if scope["type"] == "websocket":
            scope["state"]["refusal"] = self._refusal(headers)
            await self._sockets(scope, receive, send)
            return
        if _lasts(scope):  # a stream is open for hours: no step of anything
            await self._serve(scope, headers, receive, send)
            return
        about = {"http.request.method": scope["method"], "perpetua.request_id": scope["state"]["request_id"]}
        parent = headers.get(tracing.TRACEPARENT)
        with tracing.span(scope["method"], "server", about, parent=parent) as opened:
            await self._serve(scope, headers, receive, send)
            opened.set("http.route", getattr(scope.get("route"), "path", "none"))

    async def _serve(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        answer = self._answering(scope, send)
        refusal = self._refusal(headers) or await self._caller(scope, headers)
        if refusal is not None:
            await problem_response(refusal, scope)(scope, receive, answer)
        else:
            await self._app(scope, _limited(receive, self.part_s), answer)

    def _refusal(self, headers: Headers) -> Refusal | None:
        if "*" not in self._deps.hosts and _host(headers.get("host", "")) not in self._deps.hosts:
            detail = "this host name is not served here; add it to PERPETUA_GATEWAY_HOSTS"
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "unknown-host", detail)
        length = headers.get("content-length", "0")
        return TOO_LARGE if not length.isdecimal() or int(length) > MAX_BODY else None

    async def _caller(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Who calls is known, and has not called too often, before a byte of the body is read."""
        path, state = scope["path"], scope["state"]
        if not path.startswith(self._base) or path == self._open:
            return None
        address = (scope.get("client") or ("unknown",))[0]
        calms = scope["method"] == "POST" and _CALMS.search(path) is not None
        try:
            key = state["key"] = await self._identified(scope, headers, str(address))
            if not calms:
                in_touch(self._deps)
        except RequestRefused as error:
            return error.refusal
        except Away as error:  # a ticket could not be looked at
            return away(error)
        allowance = await self._deps.limits.take(key.key_id, self._deps.rates.of_key)
        state["rate"] = allowance.headers()
        return None if allowance.granted or calms else too_many("requests with this API key", allowance.reset_s).refusal

    async def _identified(self, scope: Scope, headers: Headers, address: str) -> ApiKey:
        if scope["path"] == self._sign_in and (ticket := sign_in_ticket_in(headers)) is not None:
            return await ticket_holder(self._deps, ticket, address)
        return await stream_caller(self._deps, token_in(headers), _ticket(scope), address)

    def _answering(self, scope: Scope, send: Send) -> Send:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                shown = MutableHeaders(scope=message)
                shown[REQUEST_ID] = scope["state"]["request_id"]
                shown.update(scope["state"].get("rate", {}))
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._metrics.requests.labels(method, route, str(message["status"])).inc()
            await send(message)

        return answer


def problem_response(refusal: Refusal, scope: Scope) -> Response:
    """The refusal as a problem document about this request."""
    problem = refusal.problem(scope["path"], scope["state"]["request_id"])
    return Response(problem.model_dump_json(), problem.status, refusal.headers, MEDIA_TYPE)


def _lasts(scope: Scope) -> bool:
    return str(scope["path"]).endswith("/stream")


def _ticket(scope: Scope) -> str | None:
    """A ticket opens a stream and nothing else."""
    given = (
        parse_qs(scope["query_string"].decode("latin-1")).get("ticket") if scope["path"].endswith("/stream") else None
    )
    return given[0] if given and scope["method"] == "GET" else None


def token_in(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def sign_in_ticket_in(headers: Headers) -> str | None:
    """A ticket of the page, in the place of a key; one of a stream is none."""
    kind, _, ticket = headers.get("authorization", "").partition(" ")
    return ticket.strip() if kind.lower() == "ticket" and ticket.strip().startswith(SIGN_IN_PREFIX) else None


def _limited(receive: Receive, part_s: float) -> Receive:
    """Counts what really comes: a chunked body names no length. One that stands still is given up."""
    seen, whole, until = 0, False, asyncio.get_running_loop().time() + BODY_S

    async def limited() -> Any:
        nonlocal seen, whole
        left = until - asyncio.get_running_loop().time()
        try:
            message = await (receive() if whole else asyncio.wait_for(receive(), max(0.0, min(part_s, left))))
        except TimeoutError as error:
            raise HTTPException(408, "the body did not come in time; send it again") from error
        whole = not message.get("more_body", False)
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise HTTPException(TOO_LARGE.status.value, TOO_LARGE.detail)
        return message

    return limited


def _host(header: str) -> str:
    """The name in a Host header without its port; IPv6 addresses keep their brackets."""
    return header.lower() if header.endswith("]") else header.rpartition(":")[0].lower() or header.lower()
