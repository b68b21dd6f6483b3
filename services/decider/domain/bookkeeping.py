"""A provider's figures of a call, as far as they can be believed. They are foreign: nothing in them is a reason to
throw an answer away, and what is absurd is unknown, with a note."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from libs.schemas.decision import TokenUsage

MOST_TOKENS = 20_000_000  # of one call; the longest contexts have a tenth of it
MOST_DOLLARS = 1_000.0  # of one call
SHOWN = 40
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Books:
    """`usage` None where it is unknown. `cost` is what the provider charges, `upstream` what the one behind it charges
    the user's own key (`byok`), both in dollars."""

    usage: TokenUsage | None = None
    cost: float | None = None
    upstream: float | None = None
    byok: bool = False
    notes: tuple[str, ...] = ()


def booked(usage: Any, *, answered: bool) -> Books:
    """The books of a chat completion's `usage`, whatever is there. `answered`: text came, so tokens were written."""
    if not isinstance(usage, dict):
        return Books(notes=() if usage is None else (f"usage is no object ({_shown(usage)}): unknown",))
    notes: list[str] = []
    tokens = _tokens(usage, notes, answered=answered)
    details = _object(usage, "cost_details")
    return Books(
        usage=tokens,
        cost=_dollars("cost", usage.get("cost"), notes),
        upstream=_upstream(details, notes),
        byok=usage.get("is_byok") is True,
        notes=tuple(notes),
    )


def _tokens(usage: Mapping[str, Any], notes: list[str], *, answered: bool) -> TokenUsage | None:
    begun = len(notes)
    prompt = _count("prompt_tokens", _first(usage, "prompt_tokens", "input_tokens"), notes)
    completion = _count("completion_tokens", _first(usage, "completion_tokens", "output_tokens"), notes)
    if len(notes) > begun or not (prompt or completion):
        return None
    if not prompt or (answered and not completion):
        notes.append(f"usage counts {prompt} tokens asked and {completion} answered: incomplete, so unknown")
        return None
    thought = _object(usage, "completion_tokens_details").get("reasoning_tokens")
    kept = _first(_object(usage, "prompt_tokens_details"), "cached_tokens")
    return TokenUsage(
        prompt=prompt,
        completion=completion,
        reasoning=_count("reasoning_tokens", thought, notes),
        cached=_count("cached_tokens", _first(usage, "prompt_cache_hit_tokens") if kept is None else kept, notes),
    )


def _upstream(details: Mapping[str, Any], notes: list[str]) -> float | None:
    whole = _dollars("upstream_inference_cost", details.get("upstream_inference_cost"), notes)
    if whole is not None:
        return whole
    names = ("upstream_inference_prompt_cost", "upstream_inference_completions_cost")
    parts = [_dollars(name, details.get(name), notes) for name in names]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(names) else None


def _count(name: str, value: Any, notes: list[str]) -> int:
    """Tokens; 0 where nothing is said. What can be no count is noted."""
    if value is None:
        return 0
    number = _number(value)
    if number is None or not 0 <= number <= MOST_TOKENS or number != int(number):
        notes.append(f"{name} of {_shown(value)} is absurd: unknown")
        return 0
    return int(number)


def _dollars(name: str, value: Any, notes: list[str]) -> float | None:
    if value is None:
        return None
    number = _number(value)
    if number is None or not 0 <= number <= MOST_DOLLARS:
        notes.append(f"{name} of {_shown(value)} is absurd: unknown")
        return None
    return number


def _number(value: Any) -> float | None:
    """A finite number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)[: SHOWN + 1]) > SHOWN:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _object(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = usage.get(name)
    return value if isinstance(value, dict) else NOTHING


def _first(usage: Mapping[str, Any], *names: str) -> Any:
    return next((usage[name] for name in names if usage.get(name) is not None), None)


def _shown(value: Any) -> str:
    return f"{type(value).__name__}" if isinstance(value, dict | list) else str(value)[:SHOWN]
