"""Durables that a process pulls from only some of the time."""

from faststream.nats import NatsBroker

from libs.runtime.delivery import Decode, Handler, one_by_one, subscribe
from libs.runtime.pull import Pull
from libs.schemas.topology import Durable


class PartitionConsumer:
    """A durable that is pulled from only while this process holds its lease."""

    def __init__(self, broker: NatsBroker, durable: Durable, handler: Handler, decode: Decode | None) -> None:
        self._broker = broker
        self._durable = durable
        self._handler = handler
        self._decode = decode
        self._subscriber: Pull | None = None

    async def start(self) -> None:
        if self._subscriber is None:
            take = one_by_one(self._handler, self._decode)
            self._subscriber = subscribe(self._broker, self._durable, self._handler, take)
            await self._subscriber.start()

    async def stop(self) -> None:
        """Return when the message in hand, if any, is finished."""
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None:
            await subscriber.stop()
            self._broker._subscribers.discard(subscriber)
