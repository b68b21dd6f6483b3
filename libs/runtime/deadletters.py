"""Dead letters keep bytes, headers and the reason; a decision's dead step also ends its request."""

import base64
import codecs
import json
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from libs.runtime import shadows
from libs.runtime.emit import Emit
from libs.schemas import ids, subjects
from libs.schemas.dead import DeadLetter, DeadLetterError
from libs.schemas.decision import LIVE, Arm
from libs.schemas.reasons import DeadLetterCode, RejectReason
from libs.schemas.verdict import DecisionRejected

if TYPE_CHECKING:  # it comes with a client of the bus, and what is decided here needs none
    from libs.runtime.ticks import BadTick

CONTEXT_TICKS = "context-ticks"
MAX_BODY = 100_000
MAX_HEADERS = 32
STEPS = frozenset(d.name for d in (subjects.CONTEXT_REQUESTS, subjects.DECIDER_CONTEXTS, subjects.VALIDATOR_PROPOSALS))


def letter_error(code: DeadLetterCode, message: str, field: str | None = None) -> DeadLetterError:
    """What is wrong, cut to what a dead letter takes; text from outside may hold what UTF-8 does not."""
    text = message.encode(errors="replace").decode()
    return DeadLetterError(code=code, field=(field or "")[:100] or None, message=text[:4000])


def dead_letter(
    *,
    subject: str,
    headers: Mapping[str, str] | None,
    body: bytes,
    stream: str,
    durable: str,
    sequence: int,
    error: DeadLetterError,
    deliveries: int,
    now: datetime,
) -> Emit:
    """The dead letter of one message, under the id `<stream>:<sequence>` for each durable that refuses it."""
    text, encoding = _text(body)
    letter = DeadLetter(
        dead_letter_id=f"{stream}:{sequence}" if stream == "MARKET" else f"{stream}:{sequence}:{durable}",
        subject=subject[:500],
        headers={k[:200]: v[:1000] for k, v in islice((headers or {}).items(), MAX_HEADERS)},
        body=text,
        body_encoding=encoding,
        body_truncated=len(body) > MAX_BODY,
        stream=stream,
        durable=durable,
        sequence=sequence,
        error=error,
        deliveries=max(1, deliveries),
        at=now,
    )
    return Emit(subjects.dead(stream, durable), letter)


def dead_letter_of_tick(bad: "BadTick", now: datetime) -> Emit:
    """The dead letter of a market event; only context workers publish it, so that it exists once."""
    return dead_letter(
        subject=bad.record.subject,
        headers=bad.record.headers,
        body=bad.record.data,
        stream="MARKET",
        durable=CONTEXT_TICKS,
        sequence=bad.record.sequence,
        error=letter_error(bad.code, bad.message, bad.field),
        deliveries=1,
        now=now,
    )


def ends(durable: str, subject: str, body: bytes, detail: str, now: datetime) -> tuple[Emit, ...]:
    """What ends with a dead step: the request, or shadow arms, which end nobody's request."""
    if durable == subjects.DECIDER_SHADOWS.name:
        return shadows.of_context(body, detail, now)
    beside = shadows.of_proposal(body, detail, now) if durable == subjects.VALIDATOR_PROPOSALS.name else None
    if beside is not None:
        return beside
    end = rejection(durable, subject, body, detail, now)
    return (end,) if end else ()


def rejection(durable: str, subject: str, body: bytes, detail: str, now: datetime) -> Emit | None:
    """`decision.rejected(dead_lettered)` for a dead step of a decision, where its ids can still be read.

    A reader that keeps records ends nothing when it fails: only the durables that carry a decision on are its steps.
    """
    if durable not in STEPS:
        return None
    kind = ".".join(subject.split(".", 2)[:2])
    found = _ids(kind, subject.split(".")[-1], body)
    if found is None:
        return None
    context, decision, request, correlation, shadow = found
    account = subject.split(".")[-1]
    try:
        rejected = DecisionRejected(
            decision_id=decision,
            request_id=request,
            account_id=account,
            context_id=context,
            correlation_id=correlation,
            arm=Arm(name="unread", shadow=True) if shadow else LIVE,
            reason=RejectReason.DEAD_LETTERED,
            detail=detail[:4000],
            rejected_at=now,
        )
    except ValidationError:  # the ids are as wrong as the rest: nothing can be ended in their name
        return None
    return Emit(subjects.decision_rejected(rejected.account_id), rejected)


def _ids(kind: str, account: str, body: bytes) -> tuple[str, str, str, str, bool] | None:
    try:
        raw = json.loads(body)
        if kind == "decision.requested":
            context = ids.context_id(account, raw["cycle"])
            return context, ids.decision_id(context, "live"), raw["request_id"], raw["request_id"], False
        context = raw["context_id"]
        if kind == "context.built":
            request = raw["request"]["request_id"]
            return context, ids.decision_id(context, "live"), request, raw.get("correlation_id") or request, False
        correlation = raw.get("correlation_id") or raw["request_id"]
        return context, raw["decision_id"], raw["request_id"], correlation, _is_shadow(raw)
    except (ValueError, KeyError, TypeError):
        return None


def _is_shadow(raw: dict[str, Any]) -> bool:
    """Of a proposal that is not valid otherwise."""
    arm = raw.get("arm")
    return isinstance(arm, dict) and arm.get("shadow") is True


def _text(body: bytes) -> tuple[str, str]:
    """The first `MAX_BODY` bytes as text; a character that the cut went through is left out."""
    cut = body[:MAX_BODY]
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(cut, final=len(cut) == len(body)), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(cut).decode(), "base64"
