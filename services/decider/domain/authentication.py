"""What a check of a provider's key has found, with all that is needed to put it right."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

FINGERPRINT = 4
LONG_ENOUGH = 16  # of a shorter key the last four letters would tell too much
EXCERPT = 500


class KeyVerdict(StrEnum):
    VALID = "valid"
    REFUSED = "refused"
    NO_CREDIT = "no_credit"
    NO_KEY = "no_key"
    UNREACHABLE = "unreachable"
    UNPROVEN = "unproven"


WRONG = frozenset({KeyVerdict.REFUSED, KeyVerdict.NO_CREDIT, KeyVerdict.NO_KEY})


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `expected` and `actual` in words, `excerpt` of the server's answer without the key, times in UTC."""

    provider: str
    models: tuple[str, ...]
    verdict: KeyVerdict
    expected: str
    actual: str
    at: datetime
    url: str = ""
    fingerprint: str | None = None
    status: int | None = None
    excerpt: str = ""
    latency_ms: float = 0.0
    hint: str = ""

    def line(self) -> str:
        """All of it in one line, for logs, alerts and health."""
        key = f"key ending {self.fingerprint}" if self.fingerprint else "no key, or a short one"
        parts = [
            f"{self.provider}: {self.verdict} ({key})",
            f"models {', '.join(self.models)}" if self.models else "",
            f"GET {self.url} at {self.at:%Y-%m-%d %H:%M:%S} UTC" if self.url else f"at {self.at:%Y-%m-%d %H:%M:%S} UTC",
            f"expected {self.expected}, got {self.actual}",
            f"the server said: {self.excerpt}" if self.excerpt and self.verdict is not KeyVerdict.VALID else "",
            self.hint,
        ]
        return "; ".join(part for part in parts if part)


def fingerprint(key: str | None) -> str | None:
    """The last four letters of a key, never more; None of a key that is short."""
    return key[-FINGERPRINT:] if key and len(key) >= LONG_ENOUGH else None


def judge(status: int, body: str, *, asks_key: bool) -> tuple[KeyVerdict, str]:
    """What an answer of the key's or models' endpoint proves, and what it was, in words."""
    match status:
        case 401 | 403:
            return KeyVerdict.REFUSED, f"HTTP {status}"
        case 402:
            return KeyVerdict.NO_CREDIT, "HTTP 402"
        case 200:
            return _judge_body(body, asks_key=asks_key)
    return KeyVerdict.UNPROVEN, f"HTTP {status}"


def _judge_body(body: str, *, asks_key: bool) -> tuple[KeyVerdict, str]:
    data = _data(body)
    if data is None:
        return KeyVerdict.UNPROVEN, "HTTP 200 with a body that is not what this endpoint answers"
    left = data.get("limit_remaining") if asks_key and isinstance(data, dict) else None
    if isinstance(left, int | float) and not isinstance(left, bool):
        return (
            KeyVerdict.NO_CREDIT if left <= 0 else KeyVerdict.VALID
        ), f"HTTP 200, {left:.2f} USD of the key's limit left"
    return KeyVerdict.VALID, "HTTP 200"


def _data(body: str) -> Any:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return read.get("data") if isinstance(read, dict) else None
