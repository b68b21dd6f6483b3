"""How long a provider wants to be left alone, and what was surely not charged."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decider.domain.replies import MAX_RETRY_AFTER_S, Outcome, Reply, retry_after

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HEADERS: list[tuple[str, dict[str, str], float | None]] = [
    ("nothing", {}, None),
    ("seconds", {"retry-after": "7"}, 7),
    ("a fraction", {"retry-after": " 0.5 "}, 0.5),
    ("a negative number", {"retry-after": "-3"}, 0),
    ("a date to come", {"retry-after": "Mon, 04 May 2026 12:00:30 GMT"}, 30),
    ("a date that has passed", {"retry-after": "Mon, 04 May 2026 11:00:00 GMT"}, 0),
    ("a date without a zone", {"retry-after": "Mon, 04 May 2026 12:00:30 -0000"}, 30),
    ("nonsense", {"retry-after": "soon"}, None),
    ("not a number", {"retry-after": "nan"}, None),
    ("for ever", {"retry-after": "inf"}, MAX_RETRY_AFTER_S),
    ("OpenRouter's reset", {"x-ratelimit-reset": str(int(NOW.timestamp() * 1000) + 4_000)}, 4),
    ("a reset of another kind", {"x-ratelimit-reset": "60"}, None),
    ("nonsense beside a reset", {"retry-after": "?", "x-ratelimit-reset": str(int(NOW.timestamp() * 1000))}, 0),
]


@pytest.mark.parametrize(("headers", "seconds"), [h[1:] for h in HEADERS], ids=[h[0] for h in HEADERS])
def test_retry_after_is_seconds_a_date_or_a_reset(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.text(max_size=40), st.text(max_size=20))
def test_whatever_a_header_holds_is_seconds_within_bounds_or_nothing(value: str, reset: str) -> None:
    found = retry_after({"retry-after": value, "x-ratelimit-reset": reset}, NOW)
    assert found is None or 0 <= found <= MAX_RETRY_AFTER_S


@pytest.mark.parametrize(
    ("outcome", "status", "free"),
    [
        (Outcome.AUTH, None, True),
        (Outcome.RATE_LIMITED, 429, True),
        (Outcome.REFUSED, 400, True),
        (Outcome.REFUSED, None, False),  # the filter stopped an answer that was being written
        (Outcome.UNAVAILABLE, 500, False),
        (Outcome.TIMEOUT, None, False),
        (Outcome.ANSWERED, None, False),
    ],
)
def test_only_a_request_that_was_turned_down_is_free(outcome: Outcome, status: int | None, free: bool) -> None:
    assert Reply(model="m", outcome=outcome, status=status).is_free is free
