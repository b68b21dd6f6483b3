"""How much of a context is shown, and what goes first when it is too long."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.strategies.view import COLUMNS, ORDER, AskedWrongly, View, asked, shorter


@pytest.mark.parametrize(
    ("wishes", "view"),
    [
        ({}, View()),
        ({"columns": ["vol_ratio", "ema20"]}, View(columns=("ema20", "vol_ratio"))),
        ({"columns": "rsi14"}, View(columns=("rsi14",))),
        ({"columns": []}, View(columns=())),
        ({"rows": 3}, View(rows=3, middle_rows=3)),
        ({"closes": 0, "trades": 20, "another": 1}, View(closes=0, trades=20)),
    ],
)
def test_a_template_gets_what_it_asks_for(wishes: dict[str, Any], view: View) -> None:
    assert asked(wishes) == view


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"columns": ["ema20", "ema21"]}, "there is no ema21; there are high, low, close, ema20, ema50"),
        ({"columns": 5}, "there is no 5"),
        ({"rows": 0}, "rows is 0: it is a whole number from 1 to 10"),
        ({"closes": 51}, "closes is 51"),
        ({"trades": True}, "trades is True"),
        ({"rows": "3"}, "rows is 3"),
    ],
)
def test_what_there_is_not_is_told(wishes: dict[str, Any], said: str) -> None:
    with pytest.raises(AskedWrongly, match=said):
        asked(wishes)


def test_cuts_come_in_the_stated_order_and_are_told() -> None:
    views = [view for step in range(20) if (view := shorter(View(), step))]
    assert views[0] == View()
    assert [view.cuts[-1] for view in views[1:]] == [
        "closes 20 → 10", "middle rows 10 → 3", "rows 10 → 5", "trades 3 → 1", "middle rows 3 → 1", "outcomes 3 → 1",
        "rows 3 → 1", "notes 2 → 0",
    ]  # fmt: skip
    assert views[-1].rows == views[-1].middle_rows == 1
    assert views[1].shortened == "shortened to fit: closes 20 → 10"
    assert shorter(View(), len(ORDER) + 1) is None


@given(
    st.builds(
        lambda columns, rows, closes, trades: {"columns": columns, "rows": rows, "closes": closes, "trades": trades},
        st.lists(st.sampled_from(COLUMNS)), st.integers(1, 10), st.integers(0, 50), st.integers(0, 20),
    )
)  # fmt: skip
def test_every_cut_shows_less_and_none_shows_a_newest_row_less(wishes: dict[str, Any]) -> None:
    views = [asked(wishes)]
    while (smaller := shorter(views[0], len(views))) is not None:
        before = views[-1]
        sizes = [(v.rows, v.middle_rows, v.closes, v.trades, v.notes) for v in (before, smaller)]
        assert all(after <= was for was, after in zip(*sizes, strict=True))
        assert sizes[0] != sizes[1]
        assert min(smaller.rows, smaller.middle_rows) >= 1
        views.append(smaller)
    assert (views[-1].rows, views[-1].closes, views[-1].notes) == (1, 0, 0)
