"""The words for what differs between the server and the code."""

from dataclasses import replace
from typing import Any

import pytest
from nats.js.api import ConsumerConfig, StreamConfig

from libs.runtime.provision import bucket_config, consumer_config, differences, stream_config
from libs.schemas.subjects import CONTEXT_REQUESTS, EXECUTION, KV_CONFIG, LEDGER_ORDERS, MARKET, ORDERS

STREAMS: dict[str, tuple[dict[str, Any], str]] = {
    "subjects": ({"subjects": ["order.>"]}, "subjects=['order.>'], the code expects ['order.*.*', 'position.*.*']"),
    "age": ({"max_age": 0}, "max_age=None, the code expects 7776000"),
    "bytes": ({"max_bytes": -1}, "max_bytes=None, the code expects 8589934592"),
    "messages": ({"max_msgs": 10}, "max_msgs=10, the code expects None"),
    "size": ({"max_msg_size": 10}, "max_msg_size=10, the code expects None"),
    "discard": ({"discard": "old"}, "discard='old', the code expects"),
    "retention": ({"retention": "workqueue"}, "retention='workqueue', the code expects"),
    "window": ({"duplicate_window": 1}, "duplicate_window=1, the code expects"),
    "direct": ({"allow_direct": False}, "allow_direct=None, the code expects True"),
}
CONSUMERS: dict[str, tuple[dict[str, Any], str]] = {
    "ack wait": ({"ack_wait": 30.0}, "ack_wait=30.0, the code expects 3"),
    "deliveries": ({"max_deliver": -1}, "max_deliver=None, the code expects 8"),
    "pending": ({"max_ack_pending": 1}, "max_ack_pending=1, the code expects 256"),
    "backoff": ({"backoff": [1.0]}, "backoff=[1.0], the code expects None"),
    "filters": ({"filter_subjects": ["order.*.*"]}, "filters ['order.*.*'], the code expects ['order.*.*', 'position"),
    "no filter": ({"filter_subjects": None}, "filters ['>'], the code expects"),
}


def test_what_is_as_the_code_says_does_not_differ() -> None:
    for stream in (MARKET, ORDERS, EXECUTION):
        assert differences("stream", stream.name, stream_config(stream), stream_config(stream, 3)) == []
    assert differences("stream", "KV_config", bucket_config(KV_CONFIG), bucket_config(KV_CONFIG)) == []
    assert differences("consumer", "x", consumer_config(LEDGER_ORDERS), consumer_config(LEDGER_ORDERS)) == []


@pytest.mark.parametrize("case", STREAMS)
def test_row_4_a_stream_differs_in_its(case: str) -> None:
    changes, said = STREAMS[case]
    (line,) = differences("stream", "ORDERS", stream_config(ORDERS), stream_config(ORDERS).evolve(**changes))
    assert line.startswith("the stream ORDERS has ")
    assert said in line


@pytest.mark.parametrize("case", CONSUMERS)
def test_row_5_a_durable_differs_in_its(case: str) -> None:
    changes, said = CONSUMERS[case]
    wanted = consumer_config(LEDGER_ORDERS)
    (line,) = differences("consumer", LEDGER_ORDERS.name, wanted, wanted.evolve(**changes))
    assert line.startswith("the consumer ledger-orders has ")
    assert said in line


def test_one_filter_is_the_same_in_a_list_and_alone() -> None:
    alone = consumer_config(CONTEXT_REQUESTS)
    listed = alone.evolve(filter_subject=None, filter_subjects=["decision.requested.*"])
    assert differences("consumer", "x", alone, listed) == []


def test_a_stream_that_takes_from_others_differs_in_its_sources() -> None:
    wanted = stream_config(EXECUTION)
    fewer = stream_config(replace(EXECUTION, sources=EXECUTION.sources[:1]))
    (line,) = differences("stream", EXECUTION.name, wanted, fewer)
    assert line.startswith("the stream EXECUTION has sources [('DECISIONS', 'decision.validated.*'")


def test_more_than_one_copy_is_stored_in_order() -> None:
    assert stream_config(MARKET, 1).persist_mode == "async"
    assert stream_config(MARKET, 3).persist_mode is None
    assert isinstance(stream_config(MARKET), StreamConfig)
    assert isinstance(consumer_config(CONTEXT_REQUESTS), ConsumerConfig)
