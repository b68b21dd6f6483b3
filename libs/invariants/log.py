"""The log as the checks read it: a row of each message that one of them needs."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from libs.invariants.rows import (
    ContextRow,
    CorrectionRow,
    EndRow,
    EventRow,
    FillRow,
    OrderRow,
    PositionMove,
    ProposalRow,
    RequestRow,
)
from libs.schemas import ids
from libs.schemas.audit import AuditEvent
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.decision import DecisionProposed
from libs.schemas.orders import OrderEvent, PositionEvent
from libs.schemas.topology import Durable, Stream
from libs.schemas.verdict import DecisionAnswered, DecisionEvaluated, DecisionRejected, DecisionValidated

R = TypeVar("R", bound=EventRow)
TRANSFER = "transfer"  # how the reconciler begins to say why a wallet was corrected
_VERBS: dict[type[Message], str] = {
    DecisionValidated: "validated",
    DecisionRejected: "rejected",
    DecisionAnswered: "answered",
    DecisionEvaluated: "evaluated",
}


@dataclass(slots=True)
class Log:
    """`trimmed` are streams that have lost their beginning; `unread` the requests whose bodies nobody could read."""

    requests: list[RequestRow] = field(default_factory=list)
    contexts: list[ContextRow] = field(default_factory=list)
    shadowed: dict[str, int] = field(default_factory=dict)
    proposals: list[ProposalRow] = field(default_factory=list)
    ends: list[EndRow] = field(default_factory=list)
    orders: list[OrderRow] = field(default_factory=list)
    positions: list[PositionMove] = field(default_factory=list)
    corrections: list[CorrectionRow] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    trimmed: set[str] = field(default_factory=set)

    def whole(self, *streams: Stream) -> bool:
        """Whether these streams hold everything that they ever held."""
        return not self.trimmed & {stream.name for stream in streams}

    def take(self, subject: str, sequence: int, body: Message) -> None:
        match body:
            case DecisionRequest():
                self.requests.append(RequestRow(sequence, body.request_id))
            case TradingContext() if subject.startswith("context.shadowed."):
                self.shadowed[body.context_id] = sequence
            case TradingContext():
                self.contexts.append(_context(sequence, body))
            case DecisionProposed():
                self.proposals.append(_proposal(sequence, body))
            case DecisionValidated() | DecisionRejected() | DecisionAnswered() | DecisionEvaluated():
                self.ends.append(_end(sequence, body))
            case _:
                self._of_account(body)

    def _of_account(self, body: Message) -> None:
        match body:
            case OrderEvent():
                self.orders.append(_order(body))
            case PositionEvent():
                self.positions.append(_position(body))
            case AuditEvent(who="reconciler", what="wallet"):
                self.corrections.append(_correction(body))


@dataclass(frozen=True, slots=True)
class Frontier:
    """How far those who carry a decision on had come when the reading began: what is beyond it is on its way.

    `floors` are the sequences up to which a durable has acknowledged everything. `waiting` are requests in an account's
    line; `promoted` those that hold its place, by the decision whose end let them begin.
    """

    floors: Mapping[str, int] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    promoted: Mapping[str, str | None] = field(default_factory=dict)

    def beyond(self, durable: Durable, sequence: int) -> bool:
        return sequence > self.floors.get(durable.name, 0)


def by_account(rows: Iterable[R]) -> dict[str, list[R]]:
    """In the order in which they happened."""
    found: dict[str, list[R]] = defaultdict(list)
    for row in rows:
        found[row.account_id].append(row)
    return {account_id: sorted(each, key=lambda row: row.order) for account_id, each in found.items()}


def digest_of(proposal: DecisionProposed) -> str:
    return hashlib.sha256(proposal.model_dump_json().encode()).hexdigest()


def _context(sequence: int, body: TradingContext) -> ContextRow:
    arms = body.assignment.shadows
    named = tuple(ids.shadow_decision_id(body.context_id, arm.experiment, arm.name) for arm in arms)
    return ContextRow(sequence, body.context_id, body.request.request_id, named)


def _proposal(sequence: int, body: DecisionProposed) -> ProposalRow:
    return ProposalRow(sequence, body.decision_id, body.request_id, body.arm.shadow, digest_of(body))


def _end(sequence: int, body: DecisionValidated | DecisionRejected | DecisionAnswered | DecisionEvaluated) -> EndRow:
    shadow = not isinstance(body, DecisionAnswered) and body.arm.shadow
    return EndRow(sequence, _VERBS[type(body)], body.decision_id, body.request_id, shadow)


def _event(body: OrderEvent | PositionEvent | AuditEvent, account_id: str) -> dict[str, Any]:
    place = body.event_id.rpartition(":")[2]
    return {
        "event_id": body.event_id,
        "account_id": account_id,
        "version": body.account_version or 0,
        "place": int(place) if place.isdecimal() else 0,
        "at": body.at,
    }


def _order(body: OrderEvent) -> OrderRow:
    intent, fill = body.intent, body.fill
    return OrderRow(
        **_event(body, body.account_id),
        kind=body.kind,
        order_id=intent.client_order_id,
        decision_id=body.decision_id,
        symbol=intent.symbol,
        leg=intent.leg,
        state=intent.state,
        fill=FillRow(fill.fill_id, fill.quantity, fill.fee, fill.realized_pnl) if fill else None,
    )


def _position(body: PositionEvent) -> PositionMove:
    late = body.before is None and body.after is None
    return PositionMove(
        **_event(body, body.account_id),
        symbol=body.symbol,
        held=None if late else body.after.quantity if body.after else Decimal(0),
        stop=body.after is not None and body.after.stop_loss is not None,
        order_id=body.client_order_id,
        realized_pnl=body.realized_pnl,
        fee=body.fee,
        funding=body.funding,
        insolvency=body.insolvency,
        wallet=body.wallet_balance,
    )


def _correction(body: AuditEvent) -> CorrectionRow:
    return CorrectionRow(
        **_event(body, body.subject),
        before=Decimal(body.before or "0"),
        after=Decimal(body.after or "0"),
        transfer=body.why.startswith(TRANSFER),
    )
