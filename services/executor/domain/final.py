"""The executor's own verdicts: final, and never more than what the validator allowed."""

from collections.abc import Sequence

from libs.schemas.decision import ENTRY_ACTIONS
from libs.schemas.reasons import Reason
from libs.schemas.verdict import AssetVerdict, Instruction, Receipt
from services.executor.domain.book import ZERO


def final_verdicts(
    allowed: Sequence[AssetVerdict], judged: Sequence[AssetVerdict], *, expired: bool
) -> tuple[AssetVerdict, ...]:
    """Row by row of one decision: what both allow, with the receipts of both. An expired decision keeps its exits."""
    return tuple(_shrunk(a, j, expired) for a, j in zip(allowed, judged, strict=True))


def adds_risk(final: Instruction) -> bool:
    """Whether an instruction opens or adds to a position."""
    return not final.reduce_only and (final.action in ENTRY_ACTIONS or final.action == "adjust_position")


def _shrunk(allowed: AssetVerdict, judged: AssetVerdict, expired: bool) -> AssetVerdict:
    receipts = (*allowed.receipts, *(r for r in judged.receipts if r not in allowed.receipts))
    if allowed.final is None:
        return allowed
    if judged.final is None:
        return judged.model_copy(update={"verdict": "denied", "receipts": receipts})
    if expired and adds_risk(allowed.final):
        late = Receipt(
            rule="fresh",
            severity="error",
            reason=Reason.DECISION_EXPIRED,
            message="the decision expired before it could be executed",
        )
        return judged.model_copy(update={"verdict": "denied", "final": None, "receipts": (*receipts, late)})
    final = judged.final
    if adds_risk(allowed.final) and (allowed.final.quantity or 0) < (final.quantity or 0):
        final = _sized(final, allowed.final)
    clamped = "clamped" in (allowed.verdict, judged.verdict)
    verdict = "clamped" if clamped else "accepted"
    return judged.model_copy(update={"verdict": verdict, "final": final, "receipts": receipts})


def _sized(final: Instruction, allowed: Instruction) -> Instruction:
    """The instruction in the allowed size. Leverage, stop and target stay those of the account as it is now."""
    notional = allowed.notional or ZERO
    margin = notional / (final.leverage or 1)
    size = {"quantity": allowed.quantity, "notional": notional, "margin": margin, "rungs": allowed.rungs}
    return final.model_copy(update=size)
