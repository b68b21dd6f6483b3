"""What an act by hand has come to: kept with the account, told in its state and in the audit trail."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from libs.risk.values import show
from libs.schemas.account import ControlRequested, Position
from libs.schemas.acts import KEPT_ACTS, Act, ActOutcome, ActReason, CancelAct, CloseAct, StopAct, TargetAct
from libs.schemas.orders import OrderPlan
from services.executor.domain.acting import ActRefused
from services.executor.domain.book import ZERO, AccountBook, marked
from services.executor.domain.changes import ActChange, OrderChange, Turn


def order_changes(turn: Turn) -> tuple[OrderChange, ...]:
    return tuple(change for change in turn.changes if isinstance(change, OrderChange))


def known(book: AccountBook, control_id: str) -> bool:
    """Whether the account remembers what an act came to."""
    return any(outcome.control_id == control_id for outcome in book.acts)


def refusing(book: AccountBook, body: ControlRequested, act: Act, why: ActRefused, now: datetime) -> Turn:
    """The turn that refuses an act, and does nothing else."""
    symbol = None if isinstance(act, CancelAct) else act.symbol
    outcome = ActOutcome(
        control_id=body.control_id,
        kind=act.kind,
        symbol=symbol,
        result="refused",
        reason=why.reason,
        message=why.message[:500],
        at=now,
    )
    before = in_words(_position(book, symbol))
    return _told(book, body, outcome, before, f"refused: {why.reason.value}: {why.message}")


def concluding(book: AccountBook, plan: OrderPlan, changes: Sequence[OrderChange], now: datetime) -> Turn:
    """The turn that tells what a plan of an act came to. `changes` are those of its orders that were seen; after a
    restart in between none were, and the account itself says what is so."""
    if plan.control is None or plan.control.act is None or known(book, plan.plan_id):
        return Turn(book)
    act, orders = plan.control.act, tuple(intent.client_order_id for intent in plan.intents)
    named = (act.client_order_id,) if isinstance(act, CancelAct) else orders
    seen = [c for c in changes if c.intent.client_order_id in named]
    symbol = act.symbol if not isinstance(act, CancelAct) else seen[0].intent.symbol if seen else None
    ended = _end(act, ActCourse(plan, book, seen))
    outcome = ActOutcome(
        control_id=plan.plan_id,
        kind=act.kind,
        symbol=symbol,
        result=ended.result,
        reason=ended.reason,
        message=ended.message[:500],
        orders=orders,
        quantity=plan.position.quantity if plan.position else None,
        at=now,
    )
    return _told(book, plan.control, outcome, in_words(plan.position), in_words(_position(book, symbol)))


@dataclass(frozen=True, slots=True)
class ActCourse:
    """A plan that was carried out, the account after it, and what was seen of the orders that it is about."""

    plan: OrderPlan
    book: AccountBook
    seen: Sequence[OrderChange]

    @property
    def working(self) -> bool:
        return any(intent.client_order_id in self.book.orders for intent in self.plan.intents)

    @property
    def held(self) -> Position | None:
        """The position that was meant, as it is now."""
        meant = self.plan.position
        now = _position(self.book, meant.symbol) if meant else None
        return now if meant and now and now.opened_at == meant.opened_at else None


@dataclass(frozen=True, slots=True)
class ActEnd:
    """What an act came to."""

    result: Literal["done", "sent", "refused"]
    message: str
    reason: ActReason | None = None


def _end(act: Act, course: ActCourse) -> ActEnd:
    refusal = next((c for c in course.seen if c.kind == "rejected"), None)
    if refusal is not None:
        said = refusal.detail or (refusal.reason.value if refusal.reason else "it did not say why")
        return ActEnd("refused", f"the venue refused it: {said}", ActReason.VENUE_REFUSED)
    if isinstance(act, CancelAct):
        return _canceled(act, course)
    if isinstance(act, CloseAct):
        return _closed(course)
    return _moved(act, course)


def _canceled(act: CancelAct, course: ActCourse) -> ActEnd:
    if act.client_order_id in course.book.orders:
        return ActEnd("sent", "the venue was asked to cancel it and has not said that it is gone")
    if course.seen and course.seen[-1].kind == "filled":
        return ActEnd("refused", "it was filled before it could be cancelled", ActReason.NO_ORDER)
    return ActEnd("done", f"cancelled {act.client_order_id}")


def _closed(course: ActCourse) -> ActEnd:
    before, left = course.plan.position, course.held
    if before is None or course.working:
        return ActEnd("sent", "the order to close waits for a price, or for the venue")
    if left is None:
        return ActEnd("done", f"closed {_size(before)}{_at(course)}")
    if left.quantity >= before.quantity and not course.seen:
        return ActEnd("sent", f"it was sent; the position is {in_words(left)}")
    return ActEnd("done", f"closed {show(before.quantity - left.quantity)} of {_size(before)}{_at(course)}")


def _at(course: ActCourse) -> str:
    """At which average price, where the fills were seen."""
    fills = [c.fill for c in course.seen if c.fill is not None]
    quantity = sum((fill.quantity for fill in fills), ZERO)
    if not quantity:
        return ""
    return f", at {sum((fill.quantity * fill.price for fill in fills), ZERO) / quantity:.8g}"


def _moved(act: StopAct | TargetAct, course: ActCourse) -> ActEnd:
    wanted = course.plan.intents[0].stop_price if course.plan.intents else None
    if wanted is None:
        return ActEnd("done", f"the {act.kind} of {act.symbol} is there already")
    held = course.held
    if held is None:
        return ActEnd("done", f"the position in {act.symbol} is closed")
    if (held.stop_loss if isinstance(act, StopAct) else held.take_profit) == wanted:
        return ActEnd("done", f"the {act.kind} of {act.symbol} is at {show(wanted)}")
    if course.working:
        return ActEnd("sent", f"the {act.kind} of {act.symbol} at {show(wanted)} waits for the venue")
    return ActEnd("refused", "the venue does not have it", ActReason.VENUE_REFUSED)


def _position(book: AccountBook, symbol: str | None) -> Position | None:
    holding = book.positions.get(symbol) if symbol else None
    return holding.position if holding else None


def _told(book: AccountBook, body: ControlRequested, outcome: ActOutcome, before: str, after: str) -> Turn:
    kept = replace(marked(book, [body.control_id]), acts=(*book.acts, outcome)[-KEPT_ACTS:])
    return Turn(book).then(kept, ActChange(outcome, body.by, body.reason, before, after))


def in_words(position: Position | None) -> str:
    if position is None:
        return "flat"
    levels = [("entry", position.entry_price), ("stop", position.stop_loss), ("target", position.take_profit)]
    told = [f"{name} {show(price)}" for name, price in levels if price is not None]
    return ", ".join([_size(position), *told])


def _size(position: Position) -> str:
    return f"{position.side} {show(position.quantity)} {position.symbol}"
