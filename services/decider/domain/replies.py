"""What came of one call of a model: an answer, or a failure as a value."""

from enum import StrEnum

from libs.schemas.base import Name, NonNegative, Wire
from libs.schemas.decision import TokenUsage

TEXT_LIMIT = 50_000


class Outcome(StrEnum):
    """How a call ended. `answered` says that text came, not that it is any good."""

    ANSWERED = "answered"
    AUTH = "auth"
    CREDIT = "credit"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    INVALID = "invalid"


class Reply(Wire):
    """One call's result as it is kept: a redelivered context reads it instead of calling again."""

    model: Name
    outcome: Outcome
    text: str | None = None
    reasoning: str | None = None
    model_answered: Name | None = None
    usage: TokenUsage | None = None
    reported_cost: NonNegative | None = None
    latency_ms: NonNegative = 0.0
    retry_after_s: NonNegative | None = None
    error: str | None = None
