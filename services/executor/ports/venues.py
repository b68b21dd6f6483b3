"""The places that take an account's orders, and the proof that an order may be sent there."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from libs.schemas.account import Account, MarginMode
from libs.schemas.reasons import OrderReason
from libs.schemas.venue import MarginTier, VenueSymbol
from services.executor.domain.book import WorkingOrder
from services.executor.domain.replies import (
    Balances,
    CancelReply,
    Fees,
    FillReport,
    FundingReport,
    OrderReport,
    PositionReport,
    Reply,
    VenueEvent,
)

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A value that a majority of MongoDB has journaled. Only a plan store makes one."""

    value: T


@dataclass(frozen=True, slots=True)
class ProtectiveOrder:
    """An order that takes risk away and waits for no store: a stop, a target, a flatten."""

    order: WorkingOrder


Submittable = Stored[WorkingOrder] | ProtectiveOrder


def order_of(order: Submittable) -> WorkingOrder:
    """The order in its proof of being sendable."""
    return order.order if isinstance(order, ProtectiveOrder) else order.value


class Venue(Protocol):
    """One account at the place that takes its orders. An order that was not stored before does not type-check.

    Symbols are ours (BTCUSDT), quantities are in base units, prices and money in quote currency. What a venue answers
    to an order or a cancel is a value; the questions raise Unavailable where the venue cannot be asked. Some of them
    only a live venue asks itself: paper answers them too, so that one contract suite holds over both.
    """

    async def submit(self, order: Submittable, checked_at: datetime | None = None) -> Reply:
        """Send one order, once. `checked_at` is the wall time of the lease check: it is the time that a live venue's
        request is signed with, so that a process that slept in between is refused by the venue."""

    async def submit_all(self, orders: Sequence[Submittable], checked_at: datetime | None = None) -> Sequence[Reply]:
        """Send several in their order. On paper they are one document write."""

    async def cancel(
        self, symbol: str, client_order_id: str, reason: OrderReason = OrderReason.DECISION
    ) -> CancelReply: ...
    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport | None: ...
    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]: ...
    async def positions(self) -> Sequence[PositionReport]: ...
    async def balances(self) -> Balances: ...
    async def set_leverage(self, symbol: str, leverage: Decimal) -> Decimal:
        """Set it and read it back; returns what the venue has now."""

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> MarginMode:
        """Set it and read it back; returns what the venue has now."""

    async def filters(self, symbol: str) -> VenueSymbol | None: ...
    async def tiers(self, symbol: str) -> tuple[MarginTier, ...]: ...
    async def fees(self, symbol: str) -> Fees: ...
    async def funding(self, symbol: str) -> FundingReport | None: ...
    async def server_time(self) -> datetime: ...
    def stream(self) -> AsyncIterator[VenueEvent]:
        """Fills and account changes from now on, in order; a Gap where some may be missing."""


class LiveVenue(Venue, Protocol):
    """A venue of its own kind of truth: it has to be asked for what it did, and it is open until it is closed."""

    @property
    def validity_s(self) -> float:
        """How long after its signature a request may still be taken."""

    async def fills(self, symbol: str, since: datetime) -> Sequence[FillReport]:
        """Executions from `since` (wall time) on, oldest first, whoever's order it was."""

    async def can_withdraw(self) -> bool | None: ...
    async def close(self) -> None: ...


class LiveVenues(Protocol):
    """The way to live venues. `open` raises NotLive where something is missing, Unavailable where nobody answers."""

    @property
    def allowed(self) -> bool: ...
    @property
    def adopts(self) -> frozenset[str]: ...
    def has_credential(self, account: Account) -> bool: ...
    async def open(self, account: Account) -> LiveVenue: ...


class NotLive(Exception):
    """The venue cannot be opened; the text says why, and what to do."""
