"""A collector of traces: OTLP over HTTP on this machine, which keeps what it got."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Told:
    """A span as it was sent."""

    service: str
    name: str
    kind: int
    trace: str
    span: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, str]
    seconds: float


@dataclass
class Collector:
    url: str = ""
    spans: list[Told] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self.changed:
            self.spans += [span for resource in request.resource_spans for span in _spans(resource)]
            self.changed.notify_all()

    def of(self, trace: str) -> list[Told]:
        with self.changed:
            return [span for span in self.spans if span.trace == trace]

    def until(self, trace: str, names: frozenset[str]) -> list[Told]:
        """Return when spans of these names were told of the trace, or with a link to it: processes send what they have
        from time to time."""
        with self.changed:
            self.changed.wait_for(lambda: names <= self._names(trace), PATIENCE_S)
        return self.of(trace)

    def names(self, trace: str) -> set[str]:
        """Of the trace's spans, and of those that link to it."""
        with self.changed:
            return self._names(trace)

    def _names(self, trace: str) -> set[str]:
        return {span.name for span in self.spans if trace in (span.trace, *span.links)}


def _spans(resource: object) -> Iterator[Told]:
    about = _texts(resource.resource.attributes)  # type: ignore[attr-defined]
    for scope in resource.scope_spans:  # type: ignore[attr-defined]
        for span in scope.spans:
            yield Told(
                about["service.name"].removeprefix("perpetua-"),
                span.name,
                span.kind,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                tuple(link.trace_id.hex() for link in span.links),
                _texts(span.attributes),
                (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
            )


def _texts(attributes: object) -> dict[str, str]:
    pairs = ((a.key, a.value) for a in attributes)  # type: ignore[attr-defined]
    return {key: str(getattr(value, value.WhichOneof("value"))) for key, value in pairs}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
