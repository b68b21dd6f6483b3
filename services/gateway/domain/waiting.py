"""What a client that waits has heard of its decision so far."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from libs.schemas.analytics import DecisionResult, ProcessingTime
from libs.schemas.base import Message
from libs.schemas.decision import DecisionProposed, Timing
from libs.schemas.events import Terminal, terminal_at, terminal_status
from libs.schemas.orders import OrderEvent
from libs.schemas.verdict import DecisionAnswered, DecisionEvaluated, DecisionRejected, DecisionValidated
from services.gateway.domain.requests import Ids
from services.gateway.domain.summaries import complaints, cost, model_used, summary_of

HALFWAY = frozenset({"submitting", "partially_filled"})


@dataclass(frozen=True, slots=True)
class Heard:
    """Events of one account since the request was published. `target` is the decision that answers it."""

    ids: Ids
    requested_at: datetime
    target: str
    answered: DecisionAnswered | None = None
    proposals: dict[str, DecisionProposed] = field(default_factory=dict)
    terminals: dict[str, Terminal] = field(default_factory=dict)
    orders: dict[str, tuple[OrderEvent, ...]] = field(default_factory=dict)

    @property
    def proposal(self) -> DecisionProposed | None:
        return self.proposals.get(self.target)

    @property
    def terminal(self) -> Terminal | None:
        return self.terminals.get(self.target)


def listen_for(ids: Ids, requested_at: datetime) -> Heard:
    return Heard(ids, requested_at, target=ids.decision_id)


def hear(heard: Heard, event: Message) -> Heard:
    """What is known after one more event; of other requests only what may turn out to answer this one."""
    match event:
        case DecisionAnswered() if event.request_id == heard.ids.request_id:
            return replace(heard, answered=event, target=event.answered_by)
        case DecisionProposed():
            return replace(heard, proposals={**heard.proposals, event.decision_id: event})
        case DecisionValidated() | DecisionRejected() | DecisionEvaluated():
            return replace(heard, terminals={**heard.terminals, event.decision_id: event})
        case OrderEvent():
            order = event.intent.client_order_id
            return replace(heard, orders={**heard.orders, order: (*heard.orders.get(order, ()), event)})
        case _:
            return heard


def orders_of(heard: Heard) -> tuple[tuple[OrderEvent, ...], ...]:
    """Events of the orders that the decision made, one group for each order."""
    return tuple(events for events in heard.orders.values() if events[-1].decision_id == heard.target)


def settled(heard: Heard) -> bool:
    """Whether every asset that was to be acted on has shown an order."""
    terminal = heard.terminal
    if not isinstance(terminal, DecisionValidated) or terminal.dry_run:
        return terminal is not None
    shown = {events[-1].intent.symbol for events in orders_of(heard)}
    return {verdict.asset for verdict in terminal.verdicts if verdict.final is not None} <= shown


def halfway(heard: Heard) -> bool:
    """Whether more is to come at once: an order is being filled, or one that takes what the market gives is not yet."""
    latest = [events[-1].intent for events in orders_of(heard)]
    return any(intent.state in HALFWAY or (intent.state, intent.type) == ("open", "market") for intent in latest)


def result_of(heard: Heard, terminal: Terminal, total_ms: float) -> DecisionResult:
    """The answer to the client."""
    proposal = heard.proposal
    calls = proposal.calls if proposal else ()
    timing = proposal.timing if proposal else Timing()
    errors, warnings = complaints(terminal.verdicts, terminal.portfolio_receipts)
    if isinstance(terminal, DecisionRejected) and (reason := _rejection(terminal)):
        errors = (reason, *errors)
    engine = terminal.validation_time_ms if terminal.rules_checked else None
    return DecisionResult(
        decision_id=terminal.decision_id,
        request_id=heard.ids.request_id,
        account_id=terminal.account_id,
        status=terminal_status(terminal),
        decision=terminal.decision or (proposal.decision if proposal else None),
        verdicts=terminal.verdicts,
        errors=errors,
        warnings=warnings,
        orders=tuple(summary_of(events) for events in orders_of(heard)),
        model_used=model_used(calls),
        api_cost=cost(calls),
        processing_time_ms=ProcessingTime(
            context=timing.context, model=timing.model, engine=engine, total=round(total_ms, 3)
        ),
        cached=heard.answered is not None or any(call.cached for call in calls),
        created_at=heard.requested_at if heard.answered is None else terminal_at(terminal),
    )


def _rejection(terminal: DecisionRejected) -> str:
    reason = str(terminal.abstain_reason or terminal.reason)
    return f"{reason}: {terminal.detail}"[:500] if terminal.detail else reason
