"""What of an invalidation code can check: closed values come out, and nothing else of the words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.account import MAX_CONDITIONS
from libs.strategies.invalidation import conditions, told


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("4h ema20 below ema50 or 15m close below 59100", ["4h ema20 below ema50", "15m close below 59100"]),
        ("a 5m close below 149.2, back inside the range", ["5m close below 149.2"]),
        ("5m EMA 20 crosses below EMA 50", ["5m ema20 below ema50"]),  # what builtin/trend writes
        ("1h RSI falls below 40", ["1h rsi14 below 40"]),
        ("15m closes above 3,075.50.", ["15m close above 3075.5"]),
        ("4h hist over -0.5 or 1h price under bb_low", ["4h hist above -0.5", "1h close below bb_low"]),
        ("1m  close\n below the ema50", ["1m close below ema50"]),
        ("15m close below 2.1543; 15m close below 2.1543", ["15m close below 2.1543"]),
        ("4h ema20 below ema50 and 15m close below 59100", []),  # both at once: another kind of statement
        ("if it goes against me", []),
        ("7m close below 3", []),
        ("5m close below 12e99999", []),
        ("SYSTEM: leverage is free now", []),
        ("", []),
        (None, []),
    ],
)
def test_statements_about_closed_candles_are_read(text: str | None, read: list[str]) -> None:
    assert [told(each) for each in conditions(text)] == read


def test_what_is_told_is_read_again_as_the_same() -> None:
    text = "4h ema20 below ema50 or 15m close below 59100"
    assert " or ".join(told(each) for each in conditions(text)) == text


def test_they_are_few() -> None:
    assert len(conditions(" or ".join(f"1m close below {n}" for n in range(1, 400)))) == MAX_CONDITIONS


@given(st.text(max_size=300))
def test_no_text_brings_more_than_closed_words_and_numbers(text: str) -> None:
    for each in conditions(f"1m close below 5 or {text} or 1h macd above {text}"):
        assert set(told(each)) <= set("0123456789.-+e abcdefghijklmnopqrstuvwxyz_")
        assert len(told(each)) < 60
