"""Scripts of accounts' lives: each is carried out by an executor that may be killed at any step of it."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from libs.schemas.decision import OrderAdjustment, PositionAdjustment
from services.executor.domain.book import AccountBook
from tests import builders
from tests.chaos.executions import PRICE, SYMBOL, Life, resting

BUY = builders.entry(SYMBOL, allocation_usd=500, sl_price=49_000, tp_price=52_000)


REST = BUY.model_copy(update={"limit_price": 49_900.0})


HALF = builders.row(
    SYMBOL,
    "adjust_position",
    position_adjustment=PositionAdjustment(adjustment_type="decrease", adjustment_amount_usd=250),
)


MOVE = builders.row(SYMBOL, "adjust_orders", order_adjustment=OrderAdjustment(adjust_sl=True, new_sl_price=49_500.0))


UNAIM = MOVE.model_copy(update={"order_adjustment": OrderAdjustment(cancel_tp=True)})


CLOSE = builders.row(SYMBOL, "close_position")


def _open(book: AccountBook) -> bool:
    return bool(book.positions)


def _flat(book: AccountBook) -> bool:
    return not book.positions and not book.orders


def _bought(quantity: str) -> Callable[[AccountBook], bool]:
    return lambda book: [h.position.quantity for h in book.positions.values()] == [Decimal(quantity)]


async def stopped(life: Life) -> None:
    """new → filled; its stop rests, triggers and fills."""
    await life.decide(BUY)
    await life.until(_open, "bought")
    await life.tick(48_900)
    await life.until(_flat, "stopped")


async def filled_in_parts(life: Life) -> None:
    """new → open → partially filled → filled; its target fills and its stop goes."""
    await life.decide(REST, strategy="patient")
    await life.until(resting, "resting")
    await life.tick(49_890, size=0.02)
    await life.until(_bought("0.02"), "bought in part")
    await life.tick(49_880, size=5)
    await life.until(_bought("0.05"), "bought")
    await life.tick(52_100)
    await life.until(_flat, "sold at the target")


async def expired(life: Life) -> None:
    """new → open → expired with the decision; denied where the executor was dead until the decision had expired."""
    await life.decide(REST, strategy="patient", life_s=0.7)
    await life.until(lambda book: life.executed(book) and not book.orders, "expired")


async def denied(life: Life) -> None:
    await life.decide(REST, strategy="patient", life_s=-1)
    await life.until(life.executed, "denied")


async def rejected(life: Life) -> None:
    """new → rejected: a maker that the market has overtaken; then an entry that is taken."""
    await life.tick(49_800)
    await life.decide(REST, strategy="patient")
    await life.until(life.executed, "rejected")
    await life.tick(PRICE)
    await life.decide(BUY)
    await life.until(_open, "bought")
    await life.decide(CLOSE)
    await life.until(_flat, "closed")


async def managed(life: Life) -> None:
    """Halved, its stop moved (replaced), its target dropped, closed."""
    await life.decide(BUY)
    await life.until(_open, "bought")
    await life.decide(HALF)
    await life.until(lambda book: any(h.exited > 0 for h in book.positions.values()), "halved")
    await life.decide(MOVE)
    await life.until(lambda book: any(h.position.stop_loss == 49_500 for h in book.positions.values()), "moved")
    await life.decide(UNAIM)
    await life.until(lambda book: all(o.intent.leg != "target" for o in book.orders.values()), "its target dropped")
    await life.decide(CLOSE)
    await life.until(_flat, "closed")


async def handled(life: Life) -> None:
    """A person cancels what rests, halves it, moves its stop and its target, and closes it: each once, told once."""
    await life.decide(BUY)
    await life.until(_open, "bought")
    await life.decide(REST, strategy="patient")
    book = await life.until(resting, "resting")
    (entry,) = [o.intent.client_order_id for o in book.orders.values() if o.intent.leg == "entry"]
    acts: tuple[dict[str, Any], ...] = (
        {"kind": "cancel", "client_order_id": entry},
        {"kind": "close", "share": "0.5"},
        {"kind": "stop", "price": "49500"},
        {"kind": "target", "price": "51000"},
        {"kind": "close"},
    )
    for number, act in enumerate(acts, 1):
        await life.act(number, **act)
        await life.until(_ended(number), f"{act} done")
    await life.until(_flat, "closed")


def _ended(acts: int) -> Callable[[AccountBook], bool]:
    return lambda book: [outcome.result for outcome in book.acts] == ["done"] * acts


async def flattened(life: Life) -> None:
    """An open position and a resting entry; a person cancels and closes all of it, and lets it trade again."""
    await life.decide(BUY)
    await life.until(_open, "bought")
    await life.decide(REST, strategy="patient")
    await life.until(resting, "resting")
    await life.control("flatten", 1)
    await life.until(lambda book: _flat(book) and book.trading_state == "halted", "flattened")
    await life.control("active", 2)
    await life.until(lambda book: book.trading_state == "active", "active again")


async def reduced(life: Life) -> None:
    """A resting entry that a control cancels."""
    await life.decide(REST, strategy="patient")
    await life.until(resting, "resting")
    await life.control("reducing", 1)
    await life.until(lambda book: _flat(book) and book.trading_state == "reducing", "reducing")


async def funded(life: Life) -> None:
    """Funding on an open position, then a gap through its stop to its liquidation."""
    await life.decide(BUY)
    await life.until(_open, "bought")
    await life.fund()
    await life.until(lambda book: book.funding_total != 0, "funded")
    await life.tick(40_000)
    await life.until(_flat, "liquidated")


Script = Callable[[Life], Awaitable[None]]


MAY_BE: dict[Script, Script] = {expired: denied}


SCRIPTS: tuple[Script, ...] = (
    stopped,
    filled_in_parts,
    expired,
    rejected,
    managed,
    handled,
    flattened,
    reduced,
    funded,
)
