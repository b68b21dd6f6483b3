"""What LiteLLM's exceptions mean. It maps what providers answer to OpenAI's classes, not always to the right one."""

from collections.abc import Mapping
from typing import Any

from openai import APIConnectionError, APITimeoutError, OpenAIError

from services.decider.domain.replies import Outcome

_OUTCOMES = {
    401: Outcome.AUTH,
    402: Outcome.CREDIT,
    403: Outcome.AUTH,
    404: Outcome.NOT_FOUND,
    408: Outcome.TIMEOUT,
    429: Outcome.RATE_LIMITED,
}
_FLAGGED = ("moderation", "flagged")  # OpenRouter's 403 for what is asked, not for who asks


def status_of(error: OpenAIError) -> int | None:
    """The status of HTTP, or the one in the body where OpenRouter answered 200 before its upstream failed (LiteLLM
    raises that one). None without an answer: LiteLLM gives connections that broke and time-outs invented ones."""
    own: Any = getattr(error, "status_code", None)
    return None if isinstance(error, APIConnectionError) or not isinstance(own, int) else own


def outcome(error: OpenAIError, status: int | None, said: str) -> Outcome:
    if isinstance(error, APITimeoutError):
        return Outcome.TIMEOUT
    if status is None:
        return Outcome.UNAVAILABLE
    if status == 403 and any(word in said.lower() for word in _FLAGGED):
        return Outcome.REFUSED
    return _OUTCOMES.get(status) or (Outcome.REFUSED if 400 <= status < 500 else Outcome.UNAVAILABLE)


def headers_of(error: OpenAIError) -> Mapping[str, str]:
    """The server's headers in lower case, as far as LiteLLM has kept them."""
    response = getattr(error, "response", None)
    found = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in dict(found).items()}
