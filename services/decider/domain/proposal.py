"""The message that ends every context: a proposal or an explicit abstention, with the facts that it was made on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.risk.facts import facts_of_context
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed, ModelCall, StrategyRef, Timing
from services.decider.domain.parse import Parsed
from services.decider.domain.policy import Abstain
from services.decider.domain.seats import Seat

DETAIL_LIMIT = 4_000
LINE_LIMIT = 500
MAX_LINES = 32


@dataclass(frozen=True, slots=True)
class Course:
    """How a decision came about: its end, the calls, the models passed over, and where the time went."""

    end: Parsed | Abstain
    calls: Sequence[ModelCall]
    not_asked: Sequence[str]
    timing: Timing


def propose(context: TradingContext, seat: Seat, course: Course, now: datetime) -> DecisionProposed:
    strategy, end = context.account_state.active_strategy, course.end
    parsed = end if isinstance(end, Parsed) else None
    return DecisionProposed(
        decision_id=seat.decision_id,
        context_id=context.context_id,
        request_id=context.request.request_id,
        account_id=context.account_id,
        arm=seat.arm,
        status="abstained" if parsed is None else "proposed",
        abstain_reason=end.reason if isinstance(end, Abstain) else None,
        abstain_detail=end.detail[:DETAIL_LIMIT] if isinstance(end, Abstain) else None,
        decision=parsed.decision if parsed else None,
        calls=tuple(course.calls),
        not_asked=tuple(line[:LINE_LIMIT] for line in course.not_asked[:MAX_LINES]),
        context_ref=context.context_id,
        symbols=context.symbols,
        missing=parsed.missing if parsed else (),
        facts=facts_of_context(context),
        strategy=StrategyRef(id=strategy.strategy_id, version=strategy.version),
        dry_run=context.request.dry_run,
        correlation_id=context.correlation_id,
        proposed_at=now,
        expires_at=context.expires_at,
        timing=course.timing,
    )
