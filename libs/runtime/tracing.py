"""Traces of the work in hand. Without a listener nothing is made or imported: a trace that came in is passed on.

Where OTEL_EXPORTER_OTLP_ENDPOINT is set, `begin` brings in OpenTelemetry (`otel.py`), once for the process, as logging
is. Spans of clients (`client`) exist inside of a trace alone, so that what a process does by itself (clocks, leases,
ticks) makes none.
"""

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Literal, Protocol

from pydantic_settings import SettingsError

from libs.runtime.delivered import Delivered

TRACEPARENT = "traceparent"
Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | float | bool]
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_carried: ContextVar[str | None] = ContextVar("carried", default=None)


class Span(Protocol):
    def set(self, name: str, value: str | int | float | bool) -> None: ...


class Tracer(Protocol):
    """What `begin` puts in place of `Untraced`."""

    traces: bool

    def span(
        self, name: str, kind: Kind, attributes: Attributes, parent: str | None, causes: Sequence[str]
    ) -> AbstractContextManager[Span]:
        """A span below `parent`, or below the one that is open here if that is of its trace, linked to `causes`."""

    def client(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """A span of a call, where one is open here; else nothing."""

    def handling(self, info: Delivered, parent: str | None) -> AbstractContextManager[Span]:
        """The span of a message in hand, beside the time that it waited for this."""

    def current(self) -> str | None:
        """The trace context of what is done here."""

    def sampled(self) -> bool:
        """Whether what is done here is told."""

    def end(self, seconds: float) -> None:
        """Send what is left, for so long."""


class Nothing:
    """A span of which nothing is told."""

    def __enter__(self) -> "Nothing":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def set(self, name: str, value: str | int | float | bool) -> None:
        return None


NOTHING = Nothing()


class Untraced:
    """No spans: the context that came in is carried to what follows from it."""

    traces = False

    def span(
        self, name: str, kind: Kind, attributes: Attributes, parent: str | None, causes: Sequence[str]
    ) -> AbstractContextManager[Span]:
        return carrying(parent) if parent is not None else NOTHING

    def client(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        return NOTHING

    def handling(self, info: Delivered, parent: str | None) -> AbstractContextManager[Span]:
        return carrying(parent)

    def current(self) -> str | None:
        return _carried.get()

    def sampled(self) -> bool:
        return False

    def end(self, seconds: float) -> None:
        return None


@contextmanager
def carrying(parent: str | None) -> Iterator[Span]:
    """Make `parent` the trace of what is done inside."""
    token = _carried.set(parent)
    try:
        yield NOTHING
    finally:
        _carried.reset(token)


class _Place:
    """The tracer of this process."""

    tracer: Tracer = Untraced()


def begin(service: str, instance: str, endpoint: str, share: float) -> None:
    """Trace this process, if there is an `endpoint` and it does not yet. Raises SettingsError without OpenTelemetry."""
    if not endpoint or _Place.tracer.traces:
        return
    try:
        module = importlib.import_module("libs.runtime.otel")
    except ImportError as error:
        hint = "install requirements/telemetry.txt, or leave it empty"
        raise SettingsError(f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error.name} is not installed: {hint}") from error
    install(module.OtelTracer(service, instance, endpoint, share))


def install(tracer: Tracer) -> Tracer:
    """Put a tracer in place. Returns the one before."""
    before, _Place.tracer = _Place.tracer, tracer
    return before


def valid(traceparent: str | None) -> str | None:
    """A W3C trace context as it came, or None: anybody may have written it."""
    return traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None


def span(
    name: str,
    kind: Kind = "internal",
    attributes: Attributes | None = None,
    *,
    parent: str | None = None,
    causes: Sequence[str] = (),
) -> AbstractContextManager[Span]:
    """A step of ours. Without `parent` and outside of any span it begins a trace."""
    return _Place.tracer.span(name, kind, attributes or {}, valid(parent), causes)


def client(name: str, attributes: Attributes | None = None) -> AbstractContextManager[Span]:
    """A call of another: a store, a provider, a venue."""
    return _Place.tracer.client(name, attributes or {})


def publishing(kind: str, parent: str | None) -> AbstractContextManager[Span]:
    """The span of a publish; what belongs to no trace gets none."""
    known = valid(parent)
    if known is None and current() is None:
        return NOTHING
    attributes = {"messaging.system": "nats", "messaging.operation.type": "send", "messaging.destination.name": kind}
    return _Place.tracer.span(f"{kind} publish", "producer", attributes, known, ())


def handling(info: Delivered) -> AbstractContextManager[Span]:
    """What is done about a message in hand."""
    return _Place.tracer.handling(info, valid(info.headers.get(TRACEPARENT)))


def current() -> str | None:
    """The trace context of what is done here: what is published because of it carries it on."""
    return _Place.tracer.current()


def exemplar() -> dict[str, str] | None:
    """What a histogram may keep beside a figure; None where nobody could look the trace up."""
    context = _Place.tracer.current() if _Place.tracer.sampled() else None
    return None if context is None else {"trace_id": context[3:35]}


def traces() -> bool:
    return _Place.tracer.traces


def end(seconds: float) -> None:
    _Place.tracer.end(seconds)
