"""MAX_DELIVERIES advisories: the server gave up on a message, whoever burnt the deliveries."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from libs.schemas.base import Message, Name


class MaxDeliveries(Message):
    """`$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.<stream>.<consumer>` as nats-server writes it."""

    ID_FIELDS: ClassVar[tuple[str, ...]] = ("stream", "consumer", "stream_seq")

    stream: Name
    consumer: Name
    stream_seq: int = Field(ge=0)
    deliveries: int = Field(ge=1)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as a stream holds it."""

    subject: str
    headers: dict[str, str]
    body: bytes


def in_words(advisory: MaxDeliveries, message: StoredMessage | None) -> str:
    """What a dead letter says of a message that nobody could finish."""
    where = f"{advisory.consumer} gave it up after {advisory.deliveries} deliveries"
    return where if message else f"{where}; {advisory.stream} no longer holds it, so that it cannot be replayed"
