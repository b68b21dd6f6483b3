"""What LiteLLM's exceptions mean. It maps what providers answer to OpenAI's classes, not always to the right one."""

from collections.abc import Mapping
from typing import Any

from openai import APIConnectionError, APITimeoutError, OpenAIError

from services.decider.domain.refusals import RefusalMeaning, refusal
from services.decider.domain.replies import Outcome

_TRACEBACK = "Traceback (most recent call last)"


def status_of(error: OpenAIError) -> int | None:
    """The status of HTTP, or the one in the body where OpenRouter answered 200 before its upstream failed (LiteLLM
    raises that one). None without an answer: LiteLLM gives connections that broke and time-outs invented ones."""
    own: Any = getattr(error, "status_code", None)
    return None if isinstance(error, APIConnectionError) or not isinstance(own, int) else own


def meaning(error: OpenAIError, status: int | None, said: str) -> RefusalMeaning:
    if isinstance(error, APITimeoutError):
        return RefusalMeaning(Outcome.TIMEOUT)
    return RefusalMeaning(Outcome.UNAVAILABLE) if status is None else refusal(status, said)


def words_of(error: OpenAIError) -> str:
    """What was said, in one line, without the traceback that LiteLLM appends to some."""
    return " ".join(str(error).partition(_TRACEBACK)[0].split())


def headers_of(error: OpenAIError) -> Mapping[str, str]:
    """The server's headers in lower case, as far as LiteLLM has kept them."""
    response = getattr(error, "response", None)
    found = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in dict(found).items()}
