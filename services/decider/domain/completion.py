"""What a provider's body says, read once, in our terms. It is foreign: any bytes come out as one of two values.

LiteLLM is then given a plain body of our own (`as_body`): nothing that a provider writes is read by code that takes
time, memory or the wrong turn over it. What LiteLLM has no place for travels in the message's field FIELD.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator

from libs.schemas.base import NonNegative, Wire
from libs.schemas.decision import TokenUsage
from services.decider.domain.bookkeeping import booked
from services.decider.domain.replies import TEXT_LIMIT, writable

FIELD = "perpetua"
BODY_LIMIT = 1_048_576  # bytes, on the wire and decoded; the longest honest answer with its reasoning has a fifth
MARKS = 60_000  # brackets and commas: what makes a body of that size slow to read
WORDS_LIMIT = 1_500
NAME_LIMIT = 100
_PARTS = 1_000
_TEXTS = ("text", "output_text")
_CODES = {
    "invalid_api_key": 401, "insufficient_quota": 402, "model_not_found": 404, "rate_limit_exceeded": 429,
}  # fmt: skip
_THOUGHTS = ("thinking", "reasoning", "reasoning_text")
Foreign = Annotated[str, AfterValidator(writable)]


class Completion(Wire):
    """An answer. `thought_in` names the message's field that held the reasoning: a provider wants it back under it.
    `failure` says that the provider failed while it answered."""

    text: Foreign | None = None
    reasoning: Foreign | None = None
    thought_in: Literal["reasoning_content", "reasoning"] | None = None
    refusal: Foreign | None = None
    finish: Foreign = "stop"
    failure: Foreign | None = None
    model: Foreign | None = None
    usage: TokenUsage | None = None
    cost: NonNegative | None = None
    upstream: NonNegative | None = None
    byok: bool = False
    notes: tuple[Foreign, ...] = ()


@dataclass(frozen=True, slots=True)
class BodyFailure:
    """An error of the provider: its status of HTTP, or the one that stands in the body, and its words."""

    status: int
    words: str


def understood(status: int, body: bytes) -> Completion | BodyFailure:
    """What a body of at most BODY_LIMIT bytes says."""
    marks = sum(body.count(mark) for mark in (b"[", b"{", b","))
    value = None if marks > MARKS else _json(body)
    if status >= 400:
        return BodyFailure(status, _words(value, body))
    if marks > MARKS:
        return BodyFailure(502, f"an answer of {marks} brackets and commas is not read")
    if not isinstance(value, dict):
        return BodyFailure(502, f"the answer is no JSON object: {_excerpt(body)}")
    if (error := value.get("error")) and not _is_none(error):
        return BodyFailure(_code(error), _words(value, body))
    return _completion(value) or BodyFailure(502, f"an answer of odd shape: {_excerpt(body)}")


def as_body(said: Completion | BodyFailure) -> bytes:
    """The body that LiteLLM is given."""
    if isinstance(said, BodyFailure):
        return orjson.dumps({"error": {"message": said.words, "code": said.status}})
    message = {"role": "assistant", "content": "", FIELD: said.model_dump(mode="json", exclude_defaults=True)}
    return orjson.dumps({
        "id": "perpetua",
        "object": "chat.completion",
        "created": 0,
        "model": said.model or "unnamed",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    })  # fmt: skip


def _json(body: bytes) -> Any:
    """The value, or None. Strict first; NaN and halves of characters are in no standard and in some answers."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _completion(value: Mapping[str, Any]) -> Completion | None:
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return None
    text, thoughts = _content(message.get("content"))
    field = next((name for name in ("reasoning_content", "reasoning") if _text(message.get(name))), None)
    reasoning = _text(message.get(field)) if field else thoughts
    books = booked(value.get("usage"), answered=bool(text))
    return Completion(
        text=_cut(text),
        reasoning=_cut(reasoning),
        thought_in=field,
        refusal=(_text(message.get("refusal")) or "")[:WORDS_LIMIT] or None,
        finish=(_text(choice.get("finish_reason")) or "stop")[:NAME_LIMIT],
        failure=_failure(choice),
        model=(_text(value.get("model")) or "")[:NAME_LIMIT] or None,
        usage=books.usage,
        cost=books.cost,
        upstream=books.upstream,
        byok=books.byok,
        notes=books.notes,
    )  # fmt: skip


def _content(content: Any) -> tuple[str | None, str | None]:
    """Text and thoughts of a message's content: a text, a list of parts, or the object itself."""
    if isinstance(content, list):
        parts = list(_parts(content))
        texts, thoughts = ("".join(part for kind, part in parts if kind == of) for of in ("text", "thought"))
        return texts or None, thoughts or None
    if isinstance(content, dict) and "decisions" in content:
        try:
            return orjson.dumps(content).decode(), None
        except TypeError:  # half a character, or nested too deep
            return None, None
    return _text(content), None


def _parts(content: list[Any]) -> Iterator[tuple[Literal["text", "thought"], str]]:
    for part in content[:_PARTS]:
        if isinstance(part, str):
            yield "text", part
        elif isinstance(part, dict) and part.get("type") in _THOUGHTS:
            yield "thought", _thought(part)
        elif isinstance(part, dict) and part.get("type", "text") in _TEXTS:
            yield "text", _text(part.get("text")) or ""


def _thought(part: Mapping[str, Any]) -> str:
    """Of a part for reasoning: a text, or parts again (Mistral)."""
    held = next((part[name] for name in ("thinking", "reasoning", "text") if part.get(name)), "")
    inner = held[:_PARTS] if isinstance(held, list) else [held]
    return "".join(_text(each.get("text") if isinstance(each, dict) else each) or "" for each in inner)


def _failure(choice: Mapping[str, Any]) -> str | None:
    """What went wrong in the middle of an answer (OpenRouter, when its upstream fails)."""
    if error := choice.get("error"):
        return _words({"error": error}, b"")[:WORDS_LIMIT] or "no reason given"
    return "no reason given" if choice.get("finish_reason") == "error" else None


def _words(value: Any, body: bytes) -> str:
    """An error's words, from the shapes that providers give it, else the beginning of the body."""
    error = value.get("error") if isinstance(value, dict) else None
    holders = [each for each in (error, value) if isinstance(each, dict)]
    said = [error] if isinstance(error, str) else []
    said += [_plain(holder.get(name)) for holder in holders for name in ("message", "detail", "code", "type")]
    metadata = error.get("metadata") if isinstance(error, dict) else None
    if isinstance(metadata, dict):
        said += [f"{name[:NAME_LIMIT]}: {_plain(given)}" for name, given in list(metadata.items())[:10] if given]
    worded = dict.fromkeys(each for each in said if each and not each.isdecimal())
    return writable("; ".join(worded))[:WORDS_LIMIT] or _excerpt(body)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value[:WORDS_LIMIT]
    try:
        return "" if value is None else orjson.dumps(value).decode()[:WORDS_LIMIT]
    except TypeError:  # half a character, or nested too deep
        return ""


def _is_none(error: Any) -> bool:
    """Whether an error beside an answer says that there is none (some gateways send it with every answer)."""
    return isinstance(error, dict) and not error.get("message") and error.get("code") in (None, 0, 200, "", "0", "200")


def _code(error: Any) -> int:
    """The status in an error that came with status 200."""
    code = (error.get("code") or error.get("status")) if isinstance(error, dict) else None
    text = str(code)[:NAME_LIMIT] if isinstance(code, int | str) and not isinstance(code, bool) else ""
    if text in _CODES:
        return _CODES[text]
    return int(text) if text.isascii() and text.isdigit() and len(text) == 3 and 400 <= int(text) < 600 else 500


def _excerpt(body: bytes) -> str:
    return " ".join(body[: 4 * WORDS_LIMIT].decode("utf-8", "replace").split())[:WORDS_LIMIT] or "empty"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _cut(text: str | None) -> str | None:
    """One sign more than is read: too long stays too long."""
    return None if text is None else text[: TEXT_LIMIT + 1]
