"""Acts by hand: judged on the account itself, planned like the exits of a decision, and told by what came of them.

Each takes risk away: a close is reduce-only, a stop only moves towards the price, an entry is only cancelled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from libs.perps.filters import round_stop, round_target, truncate
from libs.perps.sides import closing, sign
from libs.risk.levels import ABSURD
from libs.risk.values import show
from libs.schemas import ids
from libs.schemas.account import ControlRequested, Leg, Position
from libs.schemas.acts import Act, ActReason, CancelAct, CloseAct, StopAct, TargetAct
from libs.schemas.orders import OrderIntent, OrderPlan
from services.executor.domain.book import AccountBook, Holding, WorkingOrder
from services.executor.domain.quote import Market

TYPES = {"exit": "market", "stop": "stop_market", "target": "take_profit_market"}


@dataclass(frozen=True, slots=True)
class ActRefused:
    """Why an act is not done."""

    reason: ActReason
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What an act of a position is judged on; `price` is on the venue's grid, the mark None where it is not known."""

    position: Position
    mark: Decimal | None
    price: Decimal


LevelRule = Callable[[Standing], ActRefused | None]


def refused(act: Act, book: AccountBook, market: Market) -> ActRefused | None:
    """Why the account does not allow the act, as it is now."""
    if isinstance(act, CancelAct):
        return _no_entry(act, book)
    holding = book.positions.get(act.symbol)
    if holding is None:
        return ActRefused(ActReason.NO_POSITION, f"there is no open position in {act.symbol}")
    opened = holding.position.opened_at
    if act.opened_at is not None and act.opened_at != opened:
        said = f"the position in {act.symbol} that was meant is closed; this one was opened {opened.isoformat()}"
        return ActRefused(ActReason.OTHER_POSITION, said)
    if act.symbol not in market.rules:
        return ActRefused(ActReason.NO_RULES, f"the venue's rules of {act.symbol} are not known")
    if isinstance(act, CloseAct):
        return None
    standing = Standing(holding.position, market.mark(act.symbol), price_of(act, holding.position, market))
    rules = STOP_RULES if isinstance(act, StopAct) else TARGET_RULES
    return next((why for rule in rules if (why := rule(standing)) is not None), None)


def _no_entry(act: CancelAct, book: AccountBook) -> ActRefused | None:
    order = book.orders.get(act.client_order_id)
    if order is None:
        return ActRefused(ActReason.NO_ORDER, f"no order {act.client_order_id} works")
    if order.intent.reduce_only:
        leg = order.intent.leg
        return ActRefused(ActReason.NOT_AN_ENTRY, f"it is a {leg}: what protects a position is moved, not cancelled")
    return None


def _priced(at: Standing) -> ActRefused | None:
    if at.mark is not None:
        return None
    return ActRefused(ActReason.NO_PRICE, f"no price of {at.position.symbol} is known to hold it against")


def _stop_side(at: Standing) -> ActRefused | None:
    if at.mark is None or sign(at.position.side) * (at.mark - at.price) > 0:
        return None
    said = f"the stop of a {at.position.side} at {show(at.price)} is beyond the mark {show(at.mark)}"
    return ActRefused(ActReason.STOP_WRONG_SIDE, said)


def _stop_moved_away(at: Standing) -> ActRefused | None:
    current = at.position.stop_loss
    if current is None or sign(at.position.side) * (at.price - current) >= 0:
        return None
    said = f"a stop may not move away from the price, from {show(current)} to {show(at.price)}"
    return ActRefused(ActReason.STOP_MOVED_AWAY, said)


def _stop_counts(at: Standing) -> ActRefused | None:
    """A stop that a liquidation comes before would only look like one."""
    liquidation = at.position.liquidation_price
    if liquidation is None or sign(at.position.side) * (at.price - liquidation) > 0:
        return None
    said = f"the stop at {show(at.price)} is beyond the liquidation price {show(liquidation)}"
    return ActRefused(ActReason.STOP_BEYOND_LIQUIDATION, said)


def _target_sane(at: Standing) -> ActRefused | None:
    if at.mark is None or at.price <= at.mark * ABSURD:
        return None
    return ActRefused(ActReason.TARGET_ABSURD, f"a target at {show(at.price)} is absurd at a mark of {show(at.mark)}")


def _target_side(at: Standing) -> ActRefused | None:
    if at.mark is None or sign(at.position.side) * (at.price - at.mark) > 0:
        return None
    said = f"the target of a {at.position.side} at {show(at.price)} is behind the mark {show(at.mark)}"
    return ActRefused(ActReason.TARGET_WRONG_SIDE, said)


STOP_RULES: tuple[LevelRule, ...] = (_priced, _stop_side, _stop_moved_away, _stop_counts)
TARGET_RULES: tuple[LevelRule, ...] = (_priced, _target_sane, _target_side)


def price_of(act: StopAct | TargetAct, position: Position, market: Market) -> Decimal:
    """The price on the venue's grid, rounded towards the market."""
    tick = market.rules[act.symbol].filters.tick_size
    rounding = round_stop if isinstance(act, StopAct) else round_target
    return rounding(act.price, tick, position.side)


def act_plan(body: ControlRequested, act: Act, book: AccountBook, market: Market) -> OrderPlan:
    """The plan of an act that is allowed; without orders where it only cancels, or where all is as it should be."""
    order = book.orders.get(act.client_order_id) if isinstance(act, CancelAct) else None
    symbol = order.intent.symbol if order else "" if isinstance(act, CancelAct) else act.symbol
    holding = book.positions.get(symbol)
    cause: Holding | WorkingOrder | None = order or holding
    return OrderPlan(
        plan_id=body.control_id,
        account_id=book.account_id,
        decision=None,
        verdicts=(),
        final_verdicts=(),
        control=body,
        position=holding.position if holding else None,
        intents=() if isinstance(act, CancelAct) or holding is None else _intents(body, act, holding.position, market),
        state="stored",
        account_version=book.version,
        correlation_id=cause.correlation_id if cause else body.control_id,
        planned_at=market.now,
    )


def _intents(
    body: ControlRequested, act: CloseAct | StopAct | TargetAct, position: Position, market: Market
) -> tuple[OrderIntent, ...]:
    if isinstance(act, CloseAct):
        lot = market.rules[act.symbol].filters.lot_size
        part = max(truncate(position.quantity * act.share, lot), lot)
        return (_intent(body, position, "exit", market.now, quantity=min(part, position.quantity)),)
    price, stop = price_of(act, position, market), isinstance(act, StopAct)
    if price == (position.stop_loss if stop else position.take_profit):
        return ()
    return (_intent(body, position, "stop" if stop else "target", market.now, stop_price=price),)


def _intent(
    body: ControlRequested,
    position: Position,
    leg: Leg,
    now: datetime,
    *,
    quantity: Decimal | None = None,
    stop_price: Decimal | None = None,
) -> OrderIntent:
    return OrderIntent(
        client_order_id=ids.client_order_id(body.scope, body.control_id, position.symbol, leg, 0),
        decision_id=position.decision_id,
        account_id=body.scope,
        symbol=position.symbol,
        side=closing(position.side),
        type=TYPES[leg],
        quantity=quantity or position.quantity,
        stop_price=stop_price,
        time_in_force="ioc" if quantity else "gtc",
        reduce_only=True,
        leg=leg,
        seq=0,
        origin=body.control_id,
        position_id=position.decision_id,
        state_times={"new": now},
    )


def taken_away(order_plan: OrderPlan, book: AccountBook) -> Sequence[str]:
    """Working orders that an act takes away: the entry that it names, or with a whole position those of its symbol."""
    match order_plan.control.act if order_plan.control else None:
        case CancelAct(client_order_id=wanted):
            return [wanted] if wanted in book.orders else []
        case CloseAct(symbol=symbol, share=share) if share == 1:
            return [o.intent.client_order_id for o in book.of(symbol) if o.intent.leg == "entry"]
    return []
