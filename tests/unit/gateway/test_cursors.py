"""Cursors come back as they were, and nothing else is taken for one."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.cursors import PagePosition, decode, encode

times = st.integers(0, 7_000_000_000_000).map(lambda ms: datetime.fromtimestamp(ms / 1000, UTC))


@given(times, st.text(max_size=80))
def test_a_cursor_gives_back_its_position(at: datetime, entry: str) -> None:
    assert decode(encode(PagePosition(at, entry))) == PagePosition(at, entry)


@given(st.text(max_size=60))
def test_another_text_is_no_cursor_or_a_position(text: str) -> None:
    found = decode(text)
    assert found is None or isinstance(found.at, datetime)


@given(times, st.text(max_size=20))
def test_cursors_fit_into_urls(at: datetime, entry: str) -> None:
    assert set(encode(PagePosition(at, entry))) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )
