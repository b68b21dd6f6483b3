"""What a client asks for, and the request on the bus that it becomes."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from libs.schemas import ids
from libs.schemas.base import ModelChain, StrategyId, Symbols
from libs.schemas.context import DecisionRequest, Trigger
from libs.schemas.decision import LIVE
from services.gateway.domain.configuring import AccountRef, Body

DEFAULT_TIMEOUT_S = 30.0
MAX_TIMEOUT_S = 120.0
MIN_LIFE_S = 60.0

Timeout = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S, description="wall seconds to wait for the end")]


class GenerateRequest(Body):
    """A wish for one portfolio decision of an account."""

    account_id: AccountRef
    symbols: Symbols | None = None
    strategy_override: StrategyId | None = None
    force_refresh: bool = False
    model: ModelChain | None = None
    dry_run: bool = False
    timeout: Timeout | None = None

    @property
    def fingerprint(self) -> str:
        """Equal for equal wishes, however long the client means to wait."""
        body = self.model_dump(mode="json", exclude={"timeout"})
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class GenerateAccepted(BaseModel):
    """The answer to `Prefer: respond-async`."""

    decision_id: str
    request_id: str
    account_id: str
    status: str = "pending"
    location: str


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids of everything that follows from one request in the live arm. `fresh` ones were never used before."""

    request_id: str
    context_id: str
    decision_id: str
    fresh: bool


def idempotent_request_id(key_id: str, idempotency_key: str, first_seen: datetime) -> str:
    """The same for every repetition while the first use is remembered (24 h); afterwards the key is free again."""
    return _request_id("idempotency", key_id, idempotency_key, first_seen.isoformat(timespec="milliseconds"))


def random_request_id(random: str) -> str:
    """An id that nobody has used before."""
    return _request_id("random", random)


def _request_id(*parts: str) -> str:
    return "api-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def ids_of(account_id: str, request_id: str, *, fresh: bool = False) -> Ids:
    context = ids.context_id(account_id, ids.request_cycle(request_id))
    return Ids(request_id, context, ids.decision_id(context, LIVE.name), fresh)


def request_of(wish: GenerateRequest, request_id: str, by: str, now: datetime, life: timedelta) -> DecisionRequest:
    """The message; `now` is market time, `life` the market time until nobody needs the answer any more."""
    return DecisionRequest(
        request_id=request_id,
        account_id=wish.account_id,
        cycle=ids.request_cycle(request_id),
        symbols=wish.symbols,
        trigger=Trigger(kind="api", detail=f"asked for by {by}"),
        strategy_override=wish.strategy_override,
        model=wish.model,
        force_refresh=wish.force_refresh,
        dry_run=wish.dry_run,
        requested_by=by,
        requested_at=now,
        expires_at=now + life,
    )


def life_of(timeout_s: float, speed: float) -> timedelta:
    """Market time that a request lives: at least a minute, and at least as long as its client waits."""
    return timedelta(seconds=max(MIN_LIFE_S, timeout_s * speed))
