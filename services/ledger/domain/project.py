"""Which read models an event changes."""

from datetime import datetime

from libs.schemas.account import ControlRequested
from libs.schemas.analytics import Alert
from libs.schemas.audit import AuditEvent
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.dead import DeadLetter
from libs.schemas.decision import DecisionProposed
from libs.schemas.orders import OrderEvent, PositionEvent
from libs.schemas.verdict import DecisionAnswered, DecisionEvaluated, DecisionRejected, DecisionValidated
from services.ledger.domain import audit, decisions, orders
from services.ledger.domain.upserts import Upserts


def project(body: Message, received: datetime) -> Upserts:
    """The changes that follow from one event, which the log stored at server time `received`.

    Raises TypeError for a body that no read model is made of.
    """
    match body:
        case DecisionRequest():
            return decisions.requested(body, received)
        case TradingContext():
            return (*decisions.context_built(body, received), orders.equity_of(body))
        case DecisionProposed():
            return decisions.proposed(body, received)
        case DecisionValidated():
            return decisions.ended(body, "validated", received)
        case DecisionEvaluated():
            return decisions.ended(body, "evaluated", received)
        case DecisionRejected():
            return decisions.ended(body, "rejected", received)
        case DecisionAnswered():
            return decisions.answered(body, received)
        case OrderEvent():
            return orders.order_changed(body, received)
        case PositionEvent():
            return orders.position_changed(body, received)
        case _:
            return _around(body, received)


def _around(body: Message, received: datetime) -> Upserts:
    match body:
        case AuditEvent():
            return audit.changed(body, received)
        case ControlRequested():
            return audit.commanded(body, received)
        case Alert():
            return audit.alerted(body, received)
        case DeadLetter():
            return audit.dead_lettered(body, received)
        case _:
            raise TypeError(f"no read model is made of {type(body).__name__}")
