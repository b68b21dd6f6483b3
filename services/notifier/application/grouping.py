"""Notices for people go together: ten alerts of one storm are one message."""

from collections.abc import Sequence

from libs.runtime.batches import Batches
from libs.schemas.notices import TEST, Notice
from services.notifier.ports import Sender

MOST = 50


class Grouped:
    """A route for people. What is critical does not wait for others, nor does a test."""

    def __init__(self, sender: Sender, group_s: float) -> None:
        self._sender = sender
        self._calm: Batches[Notice, None] = Batches(self._send, size=MOST, delay_s=group_s)
        self._urgent: Batches[Notice, None] = Batches(self._send, size=MOST, delay_s=0)

    async def start(self) -> None:
        """Nothing to begin: the first notice does."""

    async def stop(self) -> None:
        await self._calm.stop()
        await self._urgent.stop()

    async def tell(self, notice: Notice) -> None:
        urgent = notice.severity == "critical" or notice.kind == TEST
        await (self._urgent if urgent else self._calm).add(notice)

    async def _send(self, notices: Sequence[Notice]) -> Sequence[None]:
        await self._sender.send(notices)
        return [None] * len(notices)


class Single:
    """A route for programs: each notice by itself, as soon as it is there."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def tell(self, notice: Notice) -> None:
        await self._sender.send((notice,))
