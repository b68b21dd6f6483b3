"""Streams, durables and KV buckets: created by one step, asserted by every service at start."""

from collections.abc import Iterator
from typing import Any

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    PersistMode,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamSource,
    SubjectTransform,
)

from libs.schemas.subjects import BUCKETS, DURABLES, STREAMS
from libs.schemas.topology import Bucket, Durable, Stream


def stream_config(stream: Stream, replicas: int = 1) -> StreamConfig:
    """The server's configuration of a stream."""
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects) or None,
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD if stream.discard == "old" else DiscardPolicy.NEW,
        max_age=stream.max_age_s,
        max_bytes=stream.max_bytes or -1,
        max_msgs_per_subject=stream.max_per_subject or -1,
        duplicate_window=min(stream.duplicate_window_s, stream.max_age_s or stream.duplicate_window_s),
        allow_direct=True,
        num_replicas=replicas,
        persist_mode=PersistMode.ASYNC if stream.persist_async and replicas == 1 else None,
        sources=[
            StreamSource(
                name=source.stream,
                subject_transforms=[SubjectTransform(src=source.filter, dest=source.destination)],
            )
            for source in stream.sources
        ]
        or None,
    )


def consumer_config(durable: Durable) -> ConsumerConfig:
    """The server's configuration of a durable pull consumer."""
    single = len(durable.filters) == 1
    return ConsumerConfig(
        durable_name=durable.name,
        name=durable.name,
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=durable.ack_wait_s,
        max_deliver=durable.max_deliver,
        max_ack_pending=durable.max_ack_pending,
        filter_subject=durable.filters[0] if single else None,
        filter_subjects=None if single else list(durable.filters),
    )


def bucket_config(bucket: Bucket, replicas: int = 1) -> StreamConfig:
    """The stream behind a KV bucket."""
    return StreamConfig(
        name=f"KV_{bucket.name}",
        subjects=[f"$KV.{bucket.name}.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=bucket.ttl_s,
        max_msgs_per_subject=bucket.history,
        duplicate_window=min(120, bucket.ttl_s or 120),
        allow_direct=True,
        allow_rollup_hdrs=True,
        deny_delete=True,
        num_replicas=replicas,
    )


def _all_streams(replicas: int) -> Iterator[StreamConfig]:
    yield from (stream_config(stream, replicas) for stream in STREAMS)
    yield from (bucket_config(bucket, replicas) for bucket in BUCKETS)


async def provision_nats(js: JetStreamContext, *, replicas: int = 1) -> None:
    """Create what is missing and bring what differs to what the code says. Raises the server's error when it cannot."""
    for config in _all_streams(replicas):
        try:
            info = await js.stream_info(config.name or "")
        except nats.js.errors.NotFoundError:
            await js.add_stream(config)
        else:
            if differences("stream", config.name or "", config, info.config):
                await js.update_stream(config)
    for durable in DURABLES:
        wanted = consumer_config(durable)
        try:
            found = await js.consumer_info(durable.stream, durable.name)
        except nats.js.errors.NotFoundError:
            await js.add_consumer(durable.stream, wanted)
        else:
            if differences("consumer", durable.name, wanted, found.config):
                await js.add_consumer(durable.stream, wanted)


async def check_nats(js: JetStreamContext, durables: tuple[Durable, ...] = DURABLES) -> list[str]:
    """Differences between the server and the code, in words; empty when a service may run."""
    found: list[str] = []
    for config in _all_streams(0):
        name = config.name or ""
        try:
            info = await js.stream_info(name)
        except nats.js.errors.NotFoundError:
            found.append(f"the stream {name} is missing")
        else:
            found += differences("stream", name, config, info.config)
    for durable in durables:
        try:
            consumer = await js.consumer_info(durable.stream, durable.name)
        except nats.js.errors.NotFoundError:
            found.append(f"the consumer {durable.name} of {durable.stream} is missing")
        else:
            found += differences("consumer", durable.name, consumer_config(durable), consumer.config)
    return found


_STREAM_FIELDS = (
    "subjects",
    "retention",
    "storage",
    "discard",
    "max_age",
    "max_bytes",
    "max_msgs",
    "max_msg_size",
    "max_msgs_per_subject",
    "duplicate_window",
    "allow_direct",
)
_CONSUMER_FIELDS = ("ack_policy", "ack_wait", "max_deliver", "max_ack_pending", "backoff", "headers_only")


def differences(kind: str, name: str, wanted: Any, found: Any) -> list[str]:
    """What differs in the fields that matter, one line each."""
    fields = _STREAM_FIELDS if kind == "stream" else _CONSUMER_FIELDS
    lines = []
    for field in fields:
        want, have = _plain(getattr(wanted, field)), _plain(getattr(found, field))
        if want != have:
            lines.append(f"the {kind} {name} has {field}={have!r}, the code expects {want!r}")
    if kind == "consumer" and _filters(wanted) != _filters(found):
        lines.append(f"the consumer {name} has filters {_filters(found)!r}, the code expects {_filters(wanted)!r}")
    if kind == "stream" and _sources(wanted) != _sources(found):
        lines.append(f"the {kind} {name} has sources {_sources(found)!r}, the code expects {_sources(wanted)!r}")
    return lines


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(value) or None
    return value if value not in (0, 0.0, "", -1) else None


def _filters(config: Any) -> list[str]:
    return sorted(config.filter_subjects or [config.filter_subject or ">"])


def _sources(config: Any) -> list[tuple[str, str, str]]:
    return sorted(
        (source.name, transform["src"], transform["dest"])
        if isinstance(transform, dict)
        else (source.name, transform.src, transform.dest)
        for source in config.sources or []
        for transform in source.subject_transforms or []
    )
