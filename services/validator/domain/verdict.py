"""How a proposal ends: the one terminal event that its verdicts make."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.risk.values import Judgement
from libs.schemas.decision import DecisionProposed, Facts, TradingDecision
from libs.schemas.reasons import RejectReason
from libs.schemas.verdict import DecisionEvaluated, DecisionRejected, DecisionValidated, NotJudged, unjudged

Terminal = DecisionValidated | DecisionRejected | DecisionEvaluated


@dataclass(frozen=True, slots=True)
class JudgedDecision:
    """A judgement with what it was made on. `seconds` is how long judging took."""

    decision: TradingDecision
    facts: Facts
    judgement: Judgement
    seconds: float


def unfit(proposal: DecisionProposed, reason: RejectReason, detail: str, now: datetime) -> Terminal:
    """A proposal that ended before it could be judged: a shadow arm's is evaluated all the same."""
    if proposal.arm.shadow:
        return unjudged(proposal, NotJudged(reason, detail, proposal.abstain_reason), now)
    return _rejected(proposal, reason, detail, now)


def _rejected(proposal: DecisionProposed, reason: RejectReason, detail: str, now: datetime) -> DecisionRejected:
    return DecisionRejected(
        **_identity(proposal),
        reason=reason,
        abstain_reason=proposal.abstain_reason,
        detail=detail[:4_000],
        decision=proposal.decision,
        facts=proposal.facts,
        strategy=proposal.strategy,
        account_version=proposal.facts.account_version,
        rejected_at=now,
        expires_at=proposal.expires_at,
    )


def terminal(proposal: DecisionProposed, result: JudgedDecision) -> Terminal:
    """A shadow arm and a dry run are evaluated whatever the verdicts; nothing left to do is a rejection."""
    status, now = result.judgement.status, result.facts.as_of
    if proposal.dry_run or proposal.arm.shadow:
        return DecisionEvaluated(
            **_identity(proposal),
            **_found(proposal, result),
            status=status,
            expires_at=proposal.expires_at,
            validated_at=now,
        )
    expired = now >= proposal.expires_at
    if status == "accepted" or status == "partial" or (status == "hold" and not expired):
        return DecisionValidated(
            **_identity(proposal),
            **_found(proposal, result),
            status=status,
            expires_at=proposal.expires_at,
            validated_at=now,
        )
    return DecisionRejected(
        **_identity(proposal),
        **_found(proposal, result),
        reason=RejectReason.EXPIRED if expired else RejectReason.NOTHING_PASSED,
        detail=_late(proposal, now) if expired else _why(result.judgement),
        expires_at=proposal.expires_at,
        rejected_at=now,
    )


def _identity(proposal: DecisionProposed) -> dict[str, Any]:
    return {
        "decision_id": proposal.decision_id,
        "context_id": proposal.context_id,
        "request_id": proposal.request_id,
        "account_id": proposal.account_id,
        "arm": proposal.arm,
        "dry_run": proposal.dry_run,
        "correlation_id": proposal.correlation_id,
    }


def _found(proposal: DecisionProposed, result: JudgedDecision) -> dict[str, Any]:
    return {
        "account_version": result.facts.account_version,
        "decision": result.decision,
        "facts": result.facts,
        "proposed": proposal.facts,
        "strategy": proposal.strategy,
        "verdicts": result.judgement.to_wire(),
        "portfolio_receipts": result.judgement.portfolio_to_wire(),
        "rules_checked": result.judgement.rules_checked,
        "validation_time_ms": result.seconds * 1_000,
        "prices_at_validation": {symbol: asset.mark for symbol, asset in result.facts.assets.items()},
    }


def _late(proposal: DecisionProposed, now: datetime) -> str:
    late = (now - proposal.expires_at).total_seconds()
    return f"expired {late:.1f} s of market time before it was judged, and nothing in it reduces risk"


def _why(judgement: Judgement) -> str:
    """One line a denied asset: the first receipt that denied it."""
    return "; ".join(_denials(judgement))[:4_000]


def _denials(judgement: Judgement) -> Iterable[str]:
    for verdict in judgement.verdicts:
        denial = next((receipt for receipt in verdict.receipts if receipt.effect == "deny"), None)
        if denial is not None:
            yield f"{verdict.asset}: {denial.message}"
