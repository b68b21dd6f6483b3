"""What came of one call of a model: an answer, or a failure as a value."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator

from libs.schemas.base import Name, NonNegative, Wire
from libs.schemas.decision import TokenUsage

TEXT_LIMIT = 50_000


def _writable(text: str) -> str:
    """Half of a surrogate pair is legal in JSON but in no file, message or hash: it becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


Foreign = Annotated[str, AfterValidator(_writable)]


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
    text: Foreign | None = None
    reasoning: Foreign | None = None
    model_answered: Annotated[Name, AfterValidator(_writable)] | None = None
    usage: TokenUsage | None = None
    reported_cost: NonNegative | None = None
    latency_ms: NonNegative = 0.0
    retry_after_s: NonNegative | None = None
    error: Foreign | None = None
