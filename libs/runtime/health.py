"""The operations port of every process: /live, /ready, /health, /metrics. Unauthenticated, without data."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Doing:
    """What a process does before it is ready, and how much of it is done: it grows while the work goes on."""

    text: str
    done: int


class OpsApp:
    """A small ASGI application. `checks` gives the state of each part; it is ready when all are true. `details` says
    more of parts that may be unwell while the process does its work, `doing` what a start is busy with."""

    def __init__(
        self,
        registry: CollectorRegistry,
        checks: Callable[[], Mapping[str, bool]],
        details: Callable[[], Mapping[str, Any]] = dict,
        doing: Callable[[], Doing | None] = lambda: None,
    ) -> None:
        self._registry = registry
        self._checks = checks
        self._details = details
        self._doing = doing

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        accepts = dict(scope.get("headers", ())).get(b"accept", b"").decode("latin-1")
        status, kind, body = self._answer(scope["path"], accepts)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        if path == "/live":
            return 200, "application/json", b'{"live": true}'
        if path == "/ready":
            checks = dict(self._checks())
            ready = all(checks.values())
            doing = None if ready else self._doing()
            said = {"ready": ready, "checks": checks, **({"doing": asdict(doing)} if doing else {})}
            return 200 if ready else 503, "application/json", json.dumps(said).encode()
        if path == "/health":
            return 200, "application/json", json.dumps({"checks": dict(self._checks()), **self._details()}).encode()
        if path == "/metrics":
            encode, kind = choose_encoder(accept)  # exemplars exist in OpenMetrics alone
            return 200, kind, encode(self._registry)
        return 404, "application/json", b'{"error": "only /live, /ready, /health and /metrics are here"}'
