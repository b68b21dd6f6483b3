"""What streams, durable consumers and KV buckets are made of."""

from dataclasses import dataclass
from typing import Literal

DUPLICATE_WINDOW_S = 600
ACK_WAIT_S = 3
MAX_DELIVER = 8


@dataclass(frozen=True)
class StreamIntake:
    """Another stream's messages, taken in under a new subject."""

    stream: str
    filter: str
    destination: str


@dataclass(frozen=True)
class Stream:
    """A stream as provisioning creates it. Limits in seconds and bytes; 0 is no limit."""

    name: str
    subjects: tuple[str, ...] = ()
    max_age_s: int = 0
    max_bytes: int = 0
    max_per_subject: int = 0
    discard: Literal["old", "new"] = "new"
    persist_async: bool = False
    duplicate_window_s: int = DUPLICATE_WINDOW_S
    sources: tuple[StreamIntake, ...] = ()


@dataclass(frozen=True)
class Durable:
    """A durable pull consumer. `max_ack_pending` bounds what all copies of a worker hold at once."""

    name: str
    stream: str
    filters: tuple[str, ...]
    max_ack_pending: int = 256
    max_deliver: int = MAX_DELIVER
    ack_wait_s: int = ACK_WAIT_S


@dataclass(frozen=True)
class Bucket:
    """A KV bucket; bucket names hold no dots."""

    name: str
    history: int = 1
    ttl_s: int = 0
