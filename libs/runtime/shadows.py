"""How a shadow arm ends whose step was dead-lettered: evaluated like every other, so that none is lost in silence."""

from datetime import datetime

from pydantic import ValidationError

from libs.risk.facts import facts_of_context
from libs.runtime.emit import Emit
from libs.schemas import ids, subjects
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed, StrategyRef
from libs.schemas.reasons import RejectReason
from libs.schemas.verdict import DecisionEvaluated, NotJudged, unjudged


def of_proposal(body: bytes, detail: str, now: datetime) -> tuple[Emit, ...] | None:
    """The end of a shadow arm's proposal; None for any other body. Nothing where it cannot be read as a whole."""
    try:
        proposal = DecisionProposed.model_validate_json(body)
    except ValidationError:
        return None
    if not proposal.arm.shadow:
        return None
    return (_emit(unjudged(proposal, NotJudged(RejectReason.DEAD_LETTERED, detail), now)),)


def of_context(body: bytes, detail: str, now: datetime) -> tuple[Emit, ...]:
    """The ends of all shadow arms of a context."""
    try:
        context = TradingContext.model_validate_json(body)
    except ValidationError:
        return ()
    return tuple(_emit(end) for end in _unasked(context, detail[:4_000], now))


def _unasked(context: TradingContext, detail: str, now: datetime) -> list[DecisionEvaluated]:
    strategy, facts = context.account_state.active_strategy, facts_of_context(context)
    return [
        DecisionEvaluated(
            decision_id=ids.shadow_decision_id(context.context_id, choice.experiment, choice.name),
            context_id=context.context_id,
            request_id=context.request.request_id,
            account_id=context.account_id,
            arm=choice.arm(shadow=True),
            account_version=context.account_version,
            correlation_id=context.correlation_id,
            expires_at=context.expires_at,
            facts=facts,
            strategy=StrategyRef(id=strategy.strategy_id, version=strategy.version),
            verdicts=(),
            rules_checked=0,
            validation_time_ms=0.0,
            prices_at_validation={symbol: asset.mark for symbol, asset in facts.assets.items()},
            validated_at=now,
            status="rejected",
            reason=RejectReason.DEAD_LETTERED,
            detail=detail,
        )
        for choice in context.assignment.shadows
    ]


def _emit(end: DecisionEvaluated) -> Emit:
    return Emit(subjects.decision_evaluated(end.account_id), end)
