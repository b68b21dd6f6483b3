"""The outermost layer: request ids, the limit of a body, names of the host, and counting."""

import re
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.domain.problems import MEDIA_TYPE, Refusal
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps

MAX_BODY = 1024 * 1024
REQUEST_ID = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:|/+=@-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", f"a body has at most {MAX_BODY} bytes; send less"
)


class Edge:
    """Wraps the whole application, so that its own error answers carry the request id too."""

    def __init__(self, app: ASGIApp, deps: Deps, metrics: GatewayMetrics) -> None:
        self._app = app
        self._deps = deps
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID)
        named = given if given and _REQUEST_ID.fullmatch(given) else None
        state = scope.setdefault("state", {})
        state["request_id"] = named or self._deps.new_id()
        state["request_id_given"] = named is not None
        answer = self._answering(scope, send)
        refusal = self._refusal(headers)
        if refusal is not None:
            await problem_response(refusal, scope)(scope, receive, answer)
        else:
            await self._app(scope, _limited(receive), answer)

    def _refusal(self, headers: Headers) -> Refusal | None:
        if "*" not in self._deps.hosts and _host(headers.get("host", "")) not in self._deps.hosts:
            detail = "this host name is not served here; add it to PERPETUA_GATEWAY_HOSTS"
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "unknown-host", detail)
        length = headers.get("content-length", "0")
        return TOO_LARGE if not length.isdecimal() or int(length) > MAX_BODY else None

    def _answering(self, scope: Scope, send: Send) -> Send:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = scope["state"]["request_id"]
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._metrics.requests.labels(method, route, str(message["status"])).inc()
            await send(message)

        return answer


def problem_response(refusal: Refusal, scope: Scope) -> Response:
    """The refusal as a problem document about this request."""
    problem = refusal.problem(scope["path"], scope["state"]["request_id"])
    return Response(problem.model_dump_json(), problem.status, refusal.headers, MEDIA_TYPE)


def _limited(receive: Receive) -> Receive:
    """Counts what really comes: a chunked body names no length."""
    seen = 0

    async def limited() -> Any:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise HTTPException(TOO_LARGE.status.value, TOO_LARGE.detail)
        return message

    return limited


def _host(header: str) -> str:
    """The name in a Host header without its port; IPv6 addresses keep their brackets."""
    return header.lower() if header.endswith("]") else header.rpartition(":")[0].lower() or header.lower()
