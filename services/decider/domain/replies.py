"""What came of one call of a model: an answer, or a failure as a value."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from math import isnan
from typing import Annotated, Literal

from pydantic import AfterValidator

from libs.schemas.base import Name, NonNegative, Utc, Wire
from libs.schemas.decision import TokenUsage

TEXT_LIMIT = 50_000


def writable(text: str) -> str:
    """Half of a surrogate pair is legal in JSON but in no file, message or hash: it becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


Foreign = Annotated[str, AfterValidator(writable)]


class Outcome(StrEnum):
    """How a call ended. `answered` says that text came, not that it is any good. `policy`: the provider has the model,
    and its settings or the law keep it from us. `cut` and `invalid` are of answers that were read."""

    ANSWERED = "answered"
    AUTH = "auth"
    CREDIT = "credit"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    POLICY = "policy"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    INVALID = "invalid"
    CUT = "cut"


NOT_CHARGED = frozenset({Outcome.AUTH, Outcome.CREDIT, Outcome.NOT_FOUND, Outcome.POLICY, Outcome.RATE_LIMITED})
_WORKED = frozenset({408, 499})  # refusals that come when the work may be done


class Reply(Wire):
    """One call's result as it is kept: a redelivered context reads it instead of calling again.

    `reported_cost` is what the provider charges, `upstream_cost` what the one behind it charges the user's own key
    (`byok`), in dollars. `thought_in`: the field of the message that held the reasoning. `without`: the part of the
    request that the server refused. `called_at`: wall time. `notes`: what its figures were not believed in.
    """

    model: Name
    outcome: Outcome
    text: Foreign | None = None
    reasoning: Foreign | None = None
    model_answered: Annotated[Name, AfterValidator(writable)] | None = None
    usage: TokenUsage | None = None
    reported_cost: NonNegative | None = None
    upstream_cost: NonNegative | None = None
    byok: bool = False
    thought_in: Literal["reasoning_content", "reasoning"] | None = None
    without: Literal["response_format", "reasoning"] | None = None
    called_at: Utc | None = None
    notes: tuple[Foreign, ...] = ()
    latency_ms: NonNegative = 0.0
    retry_after_s: NonNegative | None = None
    status: int | None = None  # of HTTP, where the provider answered by an error
    error: Foreign | None = None

    @property
    def is_free(self) -> bool:
        """Whether it is sure that nothing was charged: it turned the request down. With a time-out or 5xx it is not."""
        turned_down = self.status is not None and 400 <= self.status < 500 and self.status not in _WORKED
        return self.usage is None and (self.outcome in NOT_CHARGED or turned_down)


MAX_RETRY_AFTER_S = 86_400.0


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from `Retry-After` (RFC 9110: seconds or an HTTP date) or OpenRouter's `X-RateLimit-Reset`
    (milliseconds since 1970). None where neither is there or can be read. Names of headers in lower case."""
    if (value := headers.get("retry-after", "").strip()) and (found := _seconds(value, now)) is not None:
        return min(max(0.0, found), MAX_RETRY_AFTER_S)
    reset = headers.get("x-ratelimit-reset", "").strip()
    if reset.isdecimal() and len(reset) == len("1777896000000"):
        return min(max(0.0, int(reset) / 1000 - now.timestamp()), MAX_RETRY_AFTER_S)
    return None


def _seconds(value: str, now: datetime) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return None if isnan(seconds) else seconds
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # a year of twenty digits
        return None
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - now).total_seconds()
