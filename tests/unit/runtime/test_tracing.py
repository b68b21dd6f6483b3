"""Traces: none without a listener, and one chain of spans with one."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic_settings import SettingsError

from libs.runtime import tracing
from libs.runtime.delivered import Delivered
from libs.runtime.log import JsonFormatter
from libs.runtime.otel import OtelTracer
from tests.fakes.otlp import Collector, collecting
from tests.pace import usual

TRACE = "a" * 32
PARENT = f"00-{TRACE}-{'b' * 16}-01"
OTHER = f"00-{'c' * 32}-{'d' * 16}-01"


def info(parent: str | None = None) -> Delivered:
    headers = {"Nats-Msg-Id": "context.built:1", **({"traceparent": parent} if parent else {})}
    return Delivered("CONTEXTS", "decider-contexts", 7, 1, time.time_ns() - 500_000_000, "context.built.a", headers)


@contextmanager
def traced(share: float = 1.0) -> Iterator[Collector]:
    """Inside, this process tells a collector of its own."""
    with collecting() as collector:
        tracer = OtelTracer("test", "t-1", collector.url, share)
        before = tracing.install(tracer)
        try:
            yield collector
        finally:
            tracing.install(before)
            tracer.end(5)


def test_without_a_listener_a_trace_that_came_in_is_carried_and_none_is_invented() -> None:
    with tracing.handling(info()):
        assert tracing.current() is None
    with tracing.handling(info(PARENT)):
        assert tracing.current() == PARENT
        with tracing.span("step"), tracing.client("kv get"), tracing.publishing("context.built", None):
            assert tracing.current() == PARENT
        with tracing.publishing("context.built", OTHER):
            assert tracing.current() == OTHER
    assert tracing.current() is None
    assert tracing.exemplar() is None


@pytest.mark.parametrize(
    "given", ["", "x", f"00-{'0' * 32}-{'b' * 16}-01", PARENT.upper(), PARENT + "\n", "01" + PARENT]
)
def test_what_is_no_trace_context_is_not_carried(given: str) -> None:
    with tracing.handling(info(given)):
        assert tracing.current() is None


def test_without_a_listener_a_message_costs_less_than_20_microseconds() -> None:
    """Of processor time, the best of several: a decider's message with two stores, a call and two publishes."""
    message, best = info(PARENT), 1.0
    for _ in range(20):
        began = time.thread_time()
        for _ in range(100):
            with tracing.handling(message):
                for name in ("kv get config", "redis HGETALL", "chat model"):
                    with tracing.client(name):
                        pass
                for _ in range(2):
                    with tracing.publishing("decision.proposed", PARENT):
                        tracing.current()
        best = min(best, (time.thread_time() - began) / 100)
    assert usual(best) < 20e-6


def test_a_message_in_hand_is_a_span_below_its_publish_beside_the_wait_for_it() -> None:
    with traced() as collector, tracing.handling(info(PARENT)), tracing.client("kv get config"):
        inner = tracing.current()
    assert inner is not None
    spans = {span.name: span for span in collector.of(TRACE)}
    work, wait = spans["decider-contexts process"], spans["decider-contexts receive"]
    call = spans["kv get config"]
    assert (work.parent, wait.parent, call.parent) == ("b" * 16, "b" * 16, work.span)
    assert wait.seconds >= 0.5
    assert work.attributes["messaging.message.id"] == "context.built:1"
    assert (work.service, inner.split("-")[2]) == ("test", call.span)


def test_what_is_published_for_another_cause_stays_in_its_trace_and_is_linked_to_what_is_in_hand() -> None:
    with traced() as collector, tracing.handling(info(PARENT)), tracing.publishing("context.built", OTHER):
        sent = tracing.current()
    (publish,) = collector.of("c" * 32)
    assert (publish.parent, publish.links) == ("d" * 16, (TRACE,))
    assert sent == f"00-{'c' * 32}-{publish.span}-01"


def test_a_step_of_several_messages_is_linked_to_all_of_them() -> None:
    with traced() as collector, tracing.span("batch", parent=PARENT, causes=[OTHER]):
        pass
    (batch,) = collector.of(TRACE)
    assert (batch.parent, batch.links) == ("b" * 16, ("c" * 32,))


def test_a_process_that_does_something_by_itself_tells_no_trace() -> None:
    with traced() as collector, tracing.client("kv put clock"), tracing.publishing("market.candle", None):
        assert tracing.current() is None
    assert collector.spans == []


def test_a_share_of_nothing_keeps_no_trace_that_begins_here_but_those_that_others_chose() -> None:
    with traced(share=0) as collector:
        with tracing.span("trigger interval"):
            begun = tracing.current()
            assert tracing.exemplar() is None
        with tracing.handling(info(PARENT)):
            assert tracing.exemplar() == {"trace_id": TRACE}
    assert begun is not None
    assert int(begun[-2:], 16) % 2 == 0  # those who follow keep to it
    assert {span.trace for span in collector.spans} == {TRACE}


def test_a_line_of_the_log_names_the_trace() -> None:
    record = logging.makeLogRecord({"msg": "done"})
    with tracing.handling(info(PARENT)):
        line = json.loads(JsonFormatter("decider", "d-1").format(record))
    assert line["trace_id"] == TRACE
    assert "trace_id" not in json.loads(JsonFormatter("decider", "d-1").format(record))


def test_a_listener_without_the_sdk_is_a_setting_that_is_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libs.runtime.otel", None)
    with pytest.raises(SettingsError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT is set, but .* is not installed"):
        tracing.begin("test", "t-1", "http://127.0.0.1:4318", 1)
