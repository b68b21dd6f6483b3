"""OpenTelemetry behind `tracing.py`: imported where somebody listens, and nowhere else.

Trap: redis-py imports the metrics part of the SDK by itself where that is installed (docs/decisions/0065).
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Link, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.runtime.delivered import Delivered
from libs.runtime.telling import version_here
from libs.runtime.tracing import NOTHING, TRACEPARENT, Attributes, Kind, Span, carrying

KINDS = {kind.name.lower(): kind for kind in SpanKind}
_PROPAGATOR = TraceContextTextMapPropagator()


class _Open:
    """A span that is open."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, name: str, value: str | int | float | bool) -> None:
        self._span.set_attribute(name, value)


class OtelTracer:
    """Sends spans to `endpoint` (OTLP over HTTP). `share` of the traces that begin here is kept; who continues a trace
    keeps to what its beginner chose. Headers, batches and time-outs are OpenTelemetry's own variables."""

    traces = True

    def __init__(self, service: str, instance: str, endpoint: str, share: float) -> None:
        about = {
            "service.namespace": "perpetua",
            "service.name": f"perpetua-{service}",
            "service.instance.id": instance,
            "service.version": version_here(),
        }
        self._provider = TracerProvider(sampler=ParentBasedTraceIdRatio(share), resource=Resource.create(about))
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("perpetua")

    @contextmanager
    def span(
        self, name: str, kind: Kind, attributes: Attributes, parent: str | None, causes: Sequence[str]
    ) -> Iterator[Span]:
        here, given = trace.get_current_span().get_span_context(), _extracted(parent)
        links = [Link(cause) for cause in map(_context_of, causes) if cause.is_valid]
        below: Context | None = None  # the span that is open here
        if given is not None:
            there = trace.get_current_span(given).get_span_context()
            if not here.is_valid or here.trace_id != there.trace_id:
                below = given
                links += [Link(here)] if here.is_valid else []
        with self._tracer.start_as_current_span(
            name, below, KINDS[kind], dict(attributes), links, record_exception=False
        ) as opened:
            yield _Open(opened)

    def client(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        if not trace.get_current_span().get_span_context().is_valid:
            return NOTHING
        return self.span(name, "client", attributes, None, ())

    @contextmanager
    def handling(self, info: Delivered, parent: str | None) -> Iterator[Span]:
        about: Attributes = {
            "messaging.system": "nats",
            "messaging.destination.name": info.stream,
            "messaging.consumer.group.name": info.durable,
            "messaging.message.id": info.headers.get("Nats-Msg-Id", f"{info.stream}:{info.sequence}"),
            "perpetua.correlation_id": info.headers.get("correlation-id", ""),
            "perpetua.delivery": info.deliveries,
        }
        # A task begins in the context of whoever made it, which may be another message's.
        with carrying(parent), self.span(f"{info.durable} process", "consumer", about, parent, ()) as opened:
            if parent is not None:
                self._waited(info, about, parent)
            yield opened

    def _waited(self, info: Delivered, about: Attributes, parent: str) -> None:
        """The pull: from the moment when the server had the message to that when it was here."""
        waited = self._tracer.start_span(
            f"{info.durable} receive", _extracted(parent), SpanKind.CONSUMER, dict(about), start_time=info.published_ns
        )
        waited.end(max(info.published_ns, time.time_ns()))

    def current(self) -> str | None:
        written: dict[str, str] = {}
        _PROPAGATOR.inject(written)
        return written.get(TRACEPARENT)

    def sampled(self) -> bool:
        return trace.get_current_span().get_span_context().trace_flags.sampled

    def end(self, seconds: float) -> None:
        """A collector that is away must not hold up a stop: what it does not take by then is lost."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(seconds)


def _extracted(parent: str | None) -> Context | None:
    return None if parent is None else _PROPAGATOR.extract({TRACEPARENT: parent}, Context())


def _context_of(traceparent: str) -> SpanContext:
    return trace.get_current_span(_extracted(traceparent)).get_span_context()
