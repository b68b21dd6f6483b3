"""What streams need from outside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from services.gateway.domain.stream_events import LoggedEvent, MarketEvent
from services.gateway.domain.stream_ring import Listeners, Ring


class StreamLog(Protocol):
    """The log as streams read it: followed once for all clients of this process."""

    @property
    def ring(self) -> Ring | None:
        """The newest events; another one after the log was made anew, None while it is not followed."""

    @property
    def epoch(self) -> str:
        """Twelve hexadecimal digits that tell these logs from those that may have been before."""

    @property
    def listeners(self) -> Listeners: ...

    @property
    def silence_s(self) -> float:
        """Seconds since the log was last heard."""

    async def oldest(self, log: int) -> int:
        """The sequence of the oldest message that a log still has."""

    async def after(self, log: int, sequence: int, until: int) -> Sequence[LoggedEvent]:
        """Some of the events between these sequences (the last included), in order; none: there are no more."""


class MarketFeed(Protocol):
    """The newest tick and funding of each symbol, followed while somebody looks."""

    @property
    def order(self) -> int:
        """How many have been heard."""

    async def join(self) -> None: ...
    async def leave(self) -> None: ...
    def newer(self, order: int) -> list[MarketEvent]:
        """The newest of each kind and symbol that came behind this one, in order."""


class Tickets(Protocol):
    async def keep(self, ticket: str, key_hash: str, until: datetime) -> None: ...
    async def take(self, ticket: str, now: datetime) -> str | None:
        """The hash of the key that it stands for, the first time and in time."""
