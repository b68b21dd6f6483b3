"""Close everything of an account at its venue, with its credential alone: no NATS, no MongoDB, no configuration."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from libs.schemas import ids
from libs.schemas.orders import OrderIntent
from services.executor.domain.book import WorkingOrder
from services.executor.domain.replies import Canceled, Placed, PositionReport
from services.executor.ports.venues import NotLive, ProtectiveOrder, Venue

__all__ = ["Flattened", "NotLive", "closing_order", "flatten"]

ROUNDS = 5
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Flattened:
    """What is left: () and () when the account is flat."""

    positions: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def flat(self) -> bool:
        return not self.positions and not self.orders


async def flatten(venue: Venue, account_id: str, now: datetime, say: Say) -> Flattened:
    """Entries are cancelled, positions closed, stops and targets cancelled last, and the venue asked again until flat.

    A position keeps its stop until it is closed. Raises Unavailable where the venue cannot be asked.
    """
    closing, left = Flattening(venue, account_id, now, say), Flattened()
    for attempt in range(ROUNDS):
        left = await closing.round(attempt)
        if left.flat:
            break
    return left


@dataclass(slots=True)
class Flattening:
    """Of one account; `refusals` is what the venue did not do, over all rounds."""

    venue: Venue
    account_id: str
    now: datetime
    say: Say
    refusals: list[str] = field(default_factory=list)

    async def round(self, attempt: int) -> Flattened:
        for order in await self.venue.open_orders():
            if not order.reduce_only:
                await self._cancel(order.symbol, order.client_order_id)
        for position in await self.venue.positions():
            await self._close(position, attempt)
        held = {position.symbol for position in await self.venue.positions()}
        for order in await self.venue.open_orders():
            if order.symbol not in held:
                await self._cancel(order.symbol, order.client_order_id)
        positions = tuple(sorted({p.symbol for p in await self.venue.positions()}))
        orders = tuple(order.client_order_id for order in await self.venue.open_orders())
        return Flattened(positions, orders, tuple(self.refusals))

    async def _cancel(self, symbol: str, client_order_id: str) -> None:
        reply = await self.venue.cancel(symbol, client_order_id)
        self.say(f"{symbol}: order {client_order_id} {'cancelled' if isinstance(reply, Canceled) else reply}")
        if not isinstance(reply, Canceled):
            self.refusals.append(f"{symbol} {client_order_id}: {reply}")

    async def _close(self, position: PositionReport, attempt: int) -> None:
        order = closing_order(position, self.account_id, self.now, attempt)
        reply = await self.venue.submit(ProtectiveOrder(order))
        done = isinstance(reply, Placed)
        self.say(f"{position.symbol}: {position.side} {position.quantity} {'closed' if done else reply}")
        if not done:
            self.refusals.append(f"{position.symbol}: {reply}")


def closing_order(position: PositionReport, account_id: str, now: datetime, attempt: int) -> WorkingOrder:
    """A reduce-only market order of the whole position; a second attempt has another id, and still cannot flip it."""
    origin = f"direct:{int(now.timestamp() * 1_000)}"
    intent = OrderIntent(
        client_order_id=ids.client_order_id(account_id, origin, position.symbol, "flatten", attempt),
        decision_id=origin,
        account_id=account_id,
        symbol=position.symbol,
        side="sell" if position.side == "long" else "buy",
        type="market",
        quantity=position.quantity,
        time_in_force="ioc",
        reduce_only=True,
        leg="flatten",
        seq=attempt,
        origin=origin,
    )
    return WorkingOrder(intent, origin, now, position.leverage, position.mark_price or Decimal(position.entry_price))
