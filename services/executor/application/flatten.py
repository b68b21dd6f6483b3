"""Close everything of an account at its venue, with its credential alone: no NATS, no MongoDB, no configuration."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from libs.schemas import ids
from libs.schemas.orders import OrderIntent
from services.executor.domain.book import WorkingOrder
from services.executor.domain.replies import Canceled, Placed, PositionReport
from services.executor.ports import NotLive, ProtectiveOrder, Venue

__all__ = ["Flattened", "NotLive", "closing_order", "flatten"]

ROUNDS = 5
Say = Callable[[str], None]


@dataclass(slots=True)
class Flattened:
    """What is left: () and () when the account is flat."""

    positions: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    refusals: list[str] = field(default_factory=list)

    @property
    def flat(self) -> bool:
        return not self.positions and not self.orders


async def flatten(venue: Venue, account_id: str, now: datetime, say: Say) -> Flattened:
    """Entries are cancelled, positions closed, stops and targets cancelled last, and the venue asked again until flat.

    A position keeps its stop until it is closed. Raises Unavailable where the venue cannot be asked.
    """
    found = Flattened()
    for attempt in range(ROUNDS):
        for order in await venue.open_orders():
            if not order.reduce_only:
                await _cancel(venue, order.symbol, order.client_order_id, found, say)
        for position in await venue.positions():
            await _close(venue, position, account_id, now, attempt, found, say)
        held = {position.symbol for position in await venue.positions()}
        for order in await venue.open_orders():
            if order.symbol not in held:
                await _cancel(venue, order.symbol, order.client_order_id, found, say)
        found.positions = tuple(sorted({p.symbol for p in await venue.positions()}))
        found.orders = tuple(order.client_order_id for order in await venue.open_orders())
        if found.flat:
            return found
    return found


async def _cancel(venue: Venue, symbol: str, client_order_id: str, found: Flattened, say: Say) -> None:
    reply = await venue.cancel(symbol, client_order_id)
    say(f"{symbol}: order {client_order_id} {'cancelled' if isinstance(reply, Canceled) else reply}")
    if not isinstance(reply, Canceled):
        found.refusals.append(f"{symbol} {client_order_id}: {reply}")


async def _close(
    venue: Venue, position: PositionReport, account_id: str, now: datetime, attempt: int, found: Flattened, say: Say
) -> None:
    reply = await venue.submit(ProtectiveOrder(closing_order(position, account_id, now, attempt)))
    done = isinstance(reply, Placed)
    say(f"{position.symbol}: {position.side} {position.quantity} {'closed' if done else reply}")
    if not done:
        found.refusals.append(f"{position.symbol}: {reply}")


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
