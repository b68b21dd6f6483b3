"""Subjects, streams and durables hang together."""

import pytest

from libs.schemas import ids
from libs.schemas.matching import matches, stream_of
from libs.schemas.names import key_of
from libs.schemas.subjects import BUCKETS, DURABLES, STREAMS, context_built, dead, decision_proposed, order_event, tick


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("market.tick.*", "market.tick.BTCUSDT", True),
        ("market.tick.*", "market.tick", False),
        ("market.tick.*", "market.tick.a.b", False),
        ("config.changed.>", "config.changed.account.a", True),
        ("config.changed.>", "config.changed", False),
        ("market.tick", "market.tick", True),
    ],
)
def test_patterns_match_as_the_server_matches_them(pattern: str, subject: str, expected: bool) -> None:
    assert matches(pattern, subject) is expected


@pytest.mark.parametrize(
    ("subject", "stream"),
    [
        (tick("BTCUSDT"), "MARKET"),
        ("market.tick", "MARKET"),
        (context_built(key_of("a")), "CONTEXTS"),
        (decision_proposed(key_of("a")), "DECISIONS"),
        (order_event("placed", key_of("a")), "ORDERS"),
        (dead("MARKET", "context-ticks"), "DEAD"),
    ],
)
def test_every_subject_has_its_stream(subject: str, stream: str) -> None:
    assert stream_of(subject) == stream


def test_a_subject_without_a_stream_is_an_error() -> None:
    with pytest.raises(KeyError, match="no stream takes"):
        stream_of("market.tick.a.b")


def test_streams_and_durables_are_named_once_and_durables_filter_what_their_stream_stores() -> None:
    streams = {stream.name: stream for stream in STREAMS}
    assert len(streams) == len(STREAMS)
    assert len({d.name for d in DURABLES}) == len(DURABLES)
    buckets = {f"KV_{bucket.name}": (f"$KV.{bucket.name}.>",) for bucket in BUCKETS}
    for durable in DURABLES:
        stored = (
            buckets.get(durable.stream)
            or streams[durable.stream].subjects
            or tuple(
                source.destination.replace("{{wildcard(1)}}", "*").replace("{{partition(16,1)}}", "*")
                for source in streams[durable.stream].sources
            )
        )
        assert stored, durable
    assert all("." not in bucket.name for bucket in BUCKETS)


@pytest.mark.parametrize(("account", "expected"), [("a", 12), ("aggressive", None), ("scalping", None)])
def test_the_partition_is_stable_and_within_range(account: str, expected: int | None) -> None:
    value = ids.partition(account)
    assert 0 <= value < ids.PARTITIONS
    if expected is not None:
        assert value == expected  # FNV-1a-32 of "a" is 0xE40C292C
