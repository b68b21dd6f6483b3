"""What a person must hear of: a key that is refused, credit that is gone, a model that its provider does not know."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from libs.schemas.analytics import Alert
from services.decider.domain.record import Exchange
from services.decider.domain.replies import Outcome

DETAIL_LIMIT = 3_500
_KINDS: dict[Outcome, Literal["auth", "model"]] = {
    Outcome.AUTH: "auth",
    Outcome.CREDIT: "auth",
    Outcome.NOT_FOUND: "model",
    Outcome.POLICY: "model",
}
# An answer of any kind proves the key; so do complaints about what was asked or how much.
_PROVES = frozenset({Outcome.ANSWERED, Outcome.REFUSED, Outcome.TRUNCATED, Outcome.EMPTY, Outcome.INVALID})


@dataclass(frozen=True, slots=True)
class Incident:
    """`key` is the same for as long as it lasts and for all who see it."""

    key: str
    kind: Literal["auth", "model"]
    detail: str


def key_of(kind: Literal["auth", "model"], name: str) -> str:
    return f"{kind}:{name}"


def seen(made: Exchange) -> Incident | None:
    """The incident that a call shows."""
    kind = _KINDS.get(made.reply.outcome)
    if kind is None:
        return None
    name = made.entry.provider if kind == "auth" else made.entry.id
    return Incident(key_of(kind, name), kind, made.reading.detail)


def over(made: Exchange) -> Sequence[str]:
    """The keys of incidents that a call proves to be over."""
    if made.cached or made.reply.outcome not in _PROVES:
        return ()
    return key_of("auth", made.entry.provider), key_of("model", made.entry.id)


def alert(incident: Incident, since: datetime, now: datetime) -> Alert:
    """One alert for an incident: its id follows from what it is and when it began, whoever announces it."""
    mark = hashlib.sha256(f"{incident.key}:{since.isoformat()}".encode()).hexdigest()[:16]
    return Alert(
        alert_id=f"{incident.kind}-{mark}",
        kind=incident.kind,
        severity="critical",
        message=incident.detail[:DETAIL_LIMIT],
        created_at=now,
    )
