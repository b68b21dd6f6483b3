"""A prompt has a bound: which notes and rows it keeps, and what is said of the others."""

from datetime import timedelta
from typing import Any

import pytest

from libs.schemas.market import MarketNote
from libs.strategies.view import View
from services.decider.domain.prompt import (
    Prompt,
    TooLong,
    build,
    fit,
)
from tests.fakes.decider_contexts import (
    NOW,
    PRICES,
    context,
)


def noted(n: int, symbol: str | None = "BTCUSDT") -> MarketNote:
    return MarketNote(
        note_id=f"n{n}", symbol=symbol, text=f"note {n}", source="rss", published_at=NOW - timedelta(hours=n),
        expires_at=NOW + timedelta(hours=1),
    )  # fmt: skip


def test_the_newest_notes_of_each_asset_are_kept_and_the_rest_is_counted() -> None:
    made = context(notes=(*(noted(n) for n in range(4)), noted(9, None)))
    text = build(made, "x", view=View(notes=2)).user.split("# Notes")[1]
    assert [line.rpartition("note ")[2] for line in text.split("\n")[2:-1]] == ['9"', '1"', '0"']
    assert "; 2 left out" in text
    assert build(made, "x", view=View(notes=0)).user.endswith("# Notes from outside: 5 left out")


def bytes_of(messages: Any) -> int:
    return sum(len(message["content"].encode()) for message in messages)


@pytest.mark.parametrize("share", [1.0, 0.95, 0.8, 0.6, 0.5])
def test_a_prompt_that_is_too_long_is_shortened_by_whole_rows_until_it_fits(share: float) -> None:
    made = context(notes=tuple(noted(n) for n in range(5)))
    whole = build(made, "x")
    room = int(bytes_of(whole.messages) * share)
    found = fit(lambda view: build(made, "x", view=view), View(), bytes_of, room)
    assert isinstance(found, Prompt)
    assert found.tokens == bytes_of(found.messages) <= room
    assert bool(found.shortened) == (share < 1)
    tables = found.user.split("atr14 vol_ratio\n")[1:]
    assert len(tables) == 2 * len(PRICES)
    for table in tables:
        rows = [row.split(" ") for row in table.split("\n\n")[0].split("\n")]
        assert all(len(row) == 12 for row in rows if not row[0].endswith("m,"))


def test_what_does_not_fit_in_its_shortest_form_is_told() -> None:
    made = context()
    found = fit(lambda view: build(made, "x", view=view), View(), bytes_of, 3_000)
    assert isinstance(found, TooLong)
    assert found.tokens > found.room == 3_000
