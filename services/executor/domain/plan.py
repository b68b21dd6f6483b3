"""From final verdicts to ordered orders: cancels, then closes, decreases and moved protection, then entries."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from libs.perps.sides import closing
from libs.schemas import ids
from libs.schemas.account import Leg, Reservation
from libs.schemas.orders import OrderIntent, OrderPlan
from libs.schemas.reasons import OrderReason, Reason
from libs.schemas.strategy import TradingStrategy
from libs.schemas.verdict import AssetVerdict, DecisionValidated, Instruction
from services.executor.domain.acting import taken_away
from services.executor.domain.book import ZERO, AccountBook, Holding, WorkingOrder, cents
from services.executor.domain.changes import OrderChange
from services.executor.domain.final import adds_risk
from services.executor.domain.resting import rests_until

ONE = Decimal(1)


@dataclass(slots=True)
class _Numbering:
    """Counts the orders of a plan by asset and leg, so that each has an id of its own."""

    account_id: str
    decision_id: str
    seen: Counter[tuple[str, str]]
    decision_ends: datetime | None = None

    def next(self, asset: str, leg: Leg) -> tuple[str, int]:
        seq = self.seen[asset, leg]
        self.seen[asset, leg] += 1
        return ids.client_order_id(self.account_id, self.decision_id, asset, leg, seq), seq


def plan(
    body: DecisionValidated,
    finals: Sequence[AssetVerdict],
    book: AccountBook,
    now: datetime,
    strategy: TradingStrategy | None = None,
) -> OrderPlan:
    """The orders of one decision, exits before entries, each with its id; nothing is submitted yet.

    The strategy says what becomes of entries that rest in vain, and how long a position may be held.
    """
    numbers = _Numbering(body.account_id, body.decision_id, Counter(), body.expires_at)
    acting = [v.final for v in finals if v.final is not None]
    exits = [i for f in acting if not adds_risk(f) for i in _exit(f, book, numbers, now)]
    entries = [i for f in acting if adds_risk(f) for i in _entry(f, numbers, now)]
    return OrderPlan(
        plan_id=body.decision_id,
        account_id=body.account_id,
        decision=body.decision,
        verdicts=body.verdicts,
        final_verdicts=tuple(finals),
        intents=(*exits, *entries),
        reservation=reservation(f for f in acting if adds_risk(f)),
        state="stored",
        account_version=book.version,
        correlation_id=body.correlation_id,
        strategy_id=body.strategy.id,
        planned_at=now,
        valid_until=body.expires_at,
        order_preference=strategy.order_preference if strategy else "any",
        max_hold_minutes=strategy.max_hold_minutes if strategy else None,
    )


def cancels(order_plan: OrderPlan, book: AccountBook) -> tuple[str, ...]:
    """Working orders that the plan takes away: resting entries of what it closes, and protection that it drops."""
    gone = list(taken_away(order_plan, book))
    for final in (v.final for v in order_plan.final_verdicts if v.final is not None):
        legs = {"entry"} if final.action == "close_position" else set()
        legs |= {"stop"} if final.cancel_stop else set()
        legs |= {"target"} if final.cancel_target else set()
        gone += [o.intent.client_order_id for o in book.of(final.asset) if o.intent.leg in legs]
    return tuple(gone)


def cancels_because(order_plan: OrderPlan) -> OrderReason:
    """Why it takes orders away."""
    return OrderReason.CONTROL if order_plan.control else OrderReason.DECISION


def denials(body: DecisionValidated, finals: Sequence[AssetVerdict], now: datetime) -> tuple[OrderChange, ...]:
    """`order.denied` for what the validator allowed and the account does not allow any more."""
    numbers = _Numbering(body.account_id, body.decision_id, Counter())
    return tuple(
        _denied(body, allowed.final, verdict, numbers, now)
        for allowed, verdict in zip(body.verdicts, finals, strict=True)
        if allowed.final is not None and verdict.final is None and allowed.final.quantity
    )


def orders(order_plan: OrderPlan) -> tuple[WorkingOrder, ...]:
    """The plan's orders as a venue takes them, each entry with the prices of its protection."""
    finals = {v.asset: v.final for v in order_plan.final_verdicts if v.final is not None and adds_risk(v.final)}
    return tuple(_working(intent, finals.get(intent.symbol), order_plan) for intent in order_plan.intents)


def reservation(entries: Iterable[Instruction]) -> dict[str, Reservation]:
    """Margin and notional that entries hold until they are submitted."""
    held: dict[str, Reservation] = {}
    for final in entries:
        before = held.get(final.asset, Reservation(margin=ZERO, notional=ZERO))
        held[final.asset] = Reservation(
            margin=before.margin + cents(final.margin or ZERO),
            notional=before.notional + cents(final.notional or ZERO),
            side=final.side,
        )
    return held


def reserving(book: AccountBook, order_plan: OrderPlan) -> AccountBook:
    """The book with the plan's reservation."""
    if not order_plan.reservation:
        return book
    return replace(book, reservations={**book.reservations, **order_plan.reservation})


def _entry(final: Instruction, numbers: _Numbering, now: datetime) -> list[OrderIntent]:
    """One order, or one per rung of a ladder."""
    if final.rungs:
        return [_opening(final, rung.quantity, rung.price, numbers, now) for rung in final.rungs]
    return [_opening(final, final.quantity or ZERO, final.limit_price, numbers, now)] if final.quantity else []


def _opening(
    final: Instruction, quantity: Decimal, price: Decimal | None, numbers: _Numbering, now: datetime
) -> OrderIntent:
    limit = final.type == "limit" and price is not None
    client_order_id, seq = numbers.next(final.asset, "entry")
    return OrderIntent(
        client_order_id=client_order_id,
        decision_id=numbers.decision_id,
        account_id=numbers.account_id,
        symbol=final.asset,
        side=final.side or "buy",
        type="limit" if limit else "market",
        quantity=quantity,
        price=price if limit else None,
        time_in_force=(final.time_in_force or "post_only") if limit else "ioc",
        reduce_only=False,
        leg="entry",
        seq=seq,
        origin=numbers.decision_id,
        expires_at=rests_until(now, numbers.decision_ends, ladder=bool(final.rungs)) if limit else None,
        state_times={"new": now},
    )


def _exit(final: Instruction, book: AccountBook, numbers: _Numbering, now: datetime) -> list[OrderIntent]:
    """A close or decrease at market, and protection that moves; nothing where the position is gone."""
    holding = book.positions.get(final.asset)
    if holding is None or final.action == "hold":
        return []
    made: list[OrderIntent] = []
    quantity = min(final.quantity or ZERO, holding.position.quantity)
    if quantity > 0:
        made.append(_reducing(holding, "exit", numbers, now, quantity=quantity))
    if final.action == "close_position":
        return made
    at = holding.position
    if final.stop is not None and final.stop != at.stop_loss:
        made.append(_reducing(holding, "stop", numbers, now, stop_price=final.stop))
    if final.target is not None and final.target != at.take_profit and not final.cancel_target:
        made.append(_reducing(holding, "target", numbers, now, stop_price=final.target))
    return made


def _reducing(
    holding: Holding,
    leg: Leg,
    numbers: _Numbering,
    now: datetime,
    *,
    quantity: Decimal | None = None,
    stop_price: Decimal | None = None,
) -> OrderIntent:
    at = holding.position
    client_order_id, seq = numbers.next(at.symbol, leg)
    return OrderIntent(
        client_order_id=client_order_id,
        decision_id=numbers.decision_id,
        account_id=numbers.account_id,
        symbol=at.symbol,
        side=closing(at.side),
        type={"stop": "stop_market", "target": "take_profit_market"}.get(leg, "market"),
        quantity=quantity or at.quantity,
        stop_price=stop_price,
        time_in_force="ioc" if quantity else "gtc",
        reduce_only=True,
        leg=leg,
        seq=seq,
        origin=numbers.decision_id,
        position_id=at.decision_id,
        state_times={"new": now},
    )


def _working(intent: OrderIntent, final: Instruction | None, order_plan: OrderPlan) -> WorkingOrder:
    entry = final if intent.leg == "entry" else None
    reference = intent.price or (entry.entry if entry else None) or intent.stop_price or ONE
    return WorkingOrder(
        intent=intent,
        correlation_id=order_plan.correlation_id,
        strategy_id=order_plan.strategy_id,
        created_at=order_plan.planned_at,
        leverage=(entry.leverage if entry else None) or ONE,
        reference=reference,
        stop=entry.stop if entry else None,
        target=entry.target if entry else None,
        stop_away=entry.stop_away if entry else None,
        target_away=entry.target_away if entry else None,
        exit_plan=entry.exit_plan if entry else None,
        invalidation=entry.invalidation if entry else None,
        preference=order_plan.order_preference,
        ladder=bool(entry and entry.rungs),
        valid_until=order_plan.valid_until,
        max_hold_minutes=order_plan.max_hold_minutes,
        cause=OrderReason.CONTROL if order_plan.control and intent.leg == "exit" else None,
    )


def _denied(
    body: DecisionValidated, allowed: Instruction, verdict: AssetVerdict, numbers: _Numbering, now: datetime
) -> OrderChange:
    leg: Leg = "entry" if adds_risk(allowed) else "exit"
    client_order_id, seq = numbers.next(allowed.asset, leg)
    reasons = [r for r in verdict.receipts if r.severity == "error"]
    late = any(r.reason is Reason.DECISION_EXPIRED for r in reasons)
    intent = OrderIntent(
        client_order_id=client_order_id,
        decision_id=body.decision_id,
        account_id=body.account_id,
        symbol=allowed.asset,
        side=allowed.side or "buy",
        type=allowed.type or "market",
        quantity=allowed.quantity or ONE,
        price=allowed.limit_price,
        time_in_force=allowed.time_in_force or "ioc",
        reduce_only=allowed.reduce_only,
        leg=leg,
        seq=seq,
        origin=body.decision_id,
        state="rejected",
        state_times={"rejected": now},
    )
    detail = "; ".join(f"{r.reason.value}: {r.message}" for r in reasons)
    reason = OrderReason.EXPIRED if late else OrderReason.STATE_CHANGED
    return OrderChange("denied", intent, body.correlation_id, reason, detail)
