"""Requests, contexts and decisions. One `decisions` document per decision id; every event sets its own part of it.

Embedded bodies are kept as they were on the wire (decimals as text); fields of the ledger's own are flat and typed.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from libs.records.collections import BODIES, CONTEXTS, DECISIONS, REQUESTS
from libs.schemas import ids
from libs.schemas.base import Wire
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.decision import LIVE, DecisionProposed, ModelCall, TradingDecision
from libs.schemas.events import Terminal, terminal_at, terminal_status
from libs.schemas.verdict import DecisionAnswered, DecisionValidated
from services.ledger.domain import outcomes
from services.ledger.domain.upserts import Advance, Upsert, Upserts, Value, known

# An execution outranks a rejection: when a step was dead-lettered after its result was published, the result counts.
_RANKS = {
    "pending": 0,
    "proposed": 10,
    "rejected": 20,
    "abstained": 30,
    "denied": 40,
    "evaluated": 50,
    "hold": 60,
    "partial": 70,
    "accepted": 80,
}


def requested(body: DecisionRequest, received: datetime) -> Upserts:
    context = ids.context_id(body.account_id, body.cycle)
    return (
        Upsert(
            REQUESTS,
            body.request_id,
            set={
                "account_id": body.account_id,
                "context_id": context,
                "decision_id": ids.decision_id(context, LIVE.name),
                "requested_at": body.requested_at,
                "expires_at": body.expires_at,
                "request": _wire(body),
            },
            earliest={"received_at": received},
        ),
    )


def context_built(body: TradingContext, received: datetime) -> Upserts:
    stored = Upsert(
        CONTEXTS,
        body.context_id,
        set={
            "account_id": body.account_id,
            "request_id": body.request.request_id,
            "at": body.timestamp,
            "context": _wire(body),
        },
        earliest={"received_at": received},
    )
    pending = Upsert(
        DECISIONS,
        ids.decision_id(body.context_id, LIVE.name),
        set={
            "account_id": body.account_id,
            "request_id": body.request.request_id,
            "context_id": body.context_id,
            "correlation_id": body.correlation_id,
            "arm": _wire(LIVE),
            "dry_run": body.request.dry_run,
            "symbols": list(body.symbols),
            "trigger": _wire(body.trigger),
        },
        earliest={"created_at": body.timestamp, "received_at": received},
        guards=(_advance("pending", {}),),
    )
    return (stored, pending)


def proposed(body: DecisionProposed, received: datetime) -> Upserts:
    decision = Upsert(
        DECISIONS,
        body.decision_id,
        set=_identity(body)
        | _content(body.decision)
        | known(
            symbols=list(body.symbols),
            strategy=_wire(body.strategy),
            proposal=_wire(body, _OF_PROPOSAL),
            expires_at=body.expires_at,
            calls=[_call(call) for call in body.calls],
            model_used=_model(body.calls),
            cost_usd=_cost(body.calls),
            session=body.session,
            timing__context=body.timing.context,
            timing__model=body.timing.model,
        ),
        earliest={"created_at": body.proposed_at, "received_at": received},
        guards=(_advance("proposed", {}),),
    )
    return (*_bodies(body.calls), decision)


def ended(body: Terminal, kind: str, received: datetime) -> Upserts:
    """The terminal event; `kind` is its verb (validated, rejected, evaluated). It ends the request too, unless its
    arm is a shadow."""
    at = terminal_at(body)
    tie = f"{kind}:{at.isoformat()}"
    judged = _advance(terminal_status(body), _judgement(body, kind, at), tie)
    decision = Upsert(
        DECISIONS,
        body.decision_id,
        set=_identity(body) | _content(body.decision) | known(strategy=_wire(body.strategy) if body.strategy else None),
        earliest={"created_at": at, "received_at": received, f"terminals.{kind}": at},
        guards=(judged,),
    )
    request = Upsert(
        REQUESTS,
        body.request_id,
        set={"account_id": body.account_id, "ended_by": body.decision_id},
        earliest={"received_at": received, f"outcomes.{kind}": at},
    )
    became = outcomes.of_end(body, judged.rank)
    return (decision, *became) if body.arm.shadow else (decision, request, *became)


def answered(body: DecisionAnswered, received: datetime) -> Upserts:
    return (
        Upsert(
            REQUESTS,
            body.request_id,
            set={
                "account_id": body.account_id,
                "context_id": body.context_id,
                "decision_id": body.decision_id,
                "answered_by": body.answered_by,
                "why": body.why,
            },
            earliest={"received_at": received, "outcomes.answered": body.answered_at},
        ),
    )


_OF_PROPOSAL = {
    "status", "abstain_reason", "abstain_detail", "missing", "not_asked", "facts", "proposed_at", "expires_at",
    "timing",
}  # fmt: skip


def _judgement(body: Terminal, kind: str, at: datetime) -> dict[str, Value]:
    detail = None if isinstance(body, DecisionValidated) else body.detail or None
    parts = {"status", "reason", "abstain_reason", "portfolio_receipts", "facts", "rules_checked", "account_version"}
    return {
        "reason": _reason(body),
        "detail": detail,
        "terminal": kind,
        "terminal_at": at,
        "verdicts": [_wire(verdict) for verdict in body.verdicts],
        "judgement": _wire(body, parts | {"prices_at_validation"}),
        "timing.engine": body.validation_time_ms,
    }


def _reason(body: Terminal) -> str | None:
    if isinstance(body, DecisionValidated) or body.reason is None:
        return None
    return str(body.abstain_reason or body.reason)


def _advance(status: str, fields: dict[str, Value], tie: str = "") -> Advance:
    return Advance(f"{_RANKS[status]:02d}:{tie}", {"status": status} | fields)


def _identity(body: DecisionProposed | Terminal) -> dict[str, Value]:
    return {
        "account_id": body.account_id,
        "request_id": body.request_id,
        "context_id": body.context_id,
        "correlation_id": body.correlation_id,
        "arm": _wire(body.arm),
        "dry_run": body.dry_run,
    }


def _content(decision: TradingDecision | None) -> dict[str, Value]:
    if decision is None:
        return {}
    body = decision.model_dump(mode="json", exclude_none=True)
    return {"decision": body, "actions": sorted({asset.action for asset in decision.decisions})}


def _wire(body: Wire, include: set[str] | None = None) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude_none=True, include=include)


def _call(call: ModelCall) -> dict[str, Any]:
    kept = call.model_dump(mode="json", exclude_none=True, exclude={"system_prompt", "user_prompt"})
    hashes = {"system_prompt_sha256": _sha256(call.system_prompt), "user_prompt_sha256": _sha256(call.user_prompt)}
    return kept | hashes


def _bodies(calls: Iterable[ModelCall]) -> Upserts:
    texts = {text for call in calls for text in (call.system_prompt, call.user_prompt)}
    return tuple(Upsert(BODIES, _sha256(text), set_on_insert={"text": text}) for text in sorted(texts))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _model(calls: tuple[ModelCall, ...]) -> str | None:
    """The model whose answer counts: that of the last good call, else of the last one."""
    good = [call for call in calls if call.outcome in ("ok", "repaired")] or calls
    return (good[-1].model_answered or good[-1].model_requested) if good else None


def _cost(calls: tuple[ModelCall, ...]) -> float | None:
    """Dollars of all calls together; unknown as soon as one is unknown."""
    costs = [call.cost_usd for call in calls]
    return None if not costs or None in costs else sum(cost for cost in costs if cost is not None)
