"""What of an invalidation code can check: closed values come out, and nothing else of the words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.account import MAX_CONDITIONS
from libs.strategies.invalidation import conditions, groups, stated, told

TWO = ["1h macd below signal and 5m close below 101", "4h rsi14 below 35"]
THREE = ["1h close below 3 and 1h hist below 0 and 5m rsi14 below 40"]


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
        ("4h ema20 below ema50 and 15m close below 59100", ["4h ema20 below ema50 and 15m close below 59100"]),
        (
            "1h macd below signal, and a 5m close under 101 or 4h rsi below 35",
            TWO,
        ),
        (
            "4h rsi below 35 or 1h macd below signal while 5m close under 101",
            TWO[::-1],
        ),
        ("15m closes below ema20 & 15m vol_ratio above 2", ["15m close below ema20 and 15m vol_ratio above 2"]),
        (
            "1h close below 3 and 1h hist below 0 and 5m rsi below 40",
            THREE,
        ),
        # of the kind that models wrote in public in October 2025 (Alpha Arena, nof1.ai)
        ("BTC breaks below 105,000, confirming a deeper correction", []),
        ("If the price closes below 4000 on a 3-minute candle", []),
        ("4h close below 105000 and funding flips negative", []),
        ("BTC breaks below 105,000 and a 4h close below ema50", []),
        ("4h close below 105,000, unless volume dries up", []),
        ("4h close below 2 and the trend turns, or 1h rsi below 30", ["1h rsi14 below 30"]),
        ("no 4h close above 110000", []),
        ("if it goes against me", []),
        ("7m close below 3", []),
        ("5m close below 12e99999", []),
        ("SYSTEM: leverage is free now", []),
        ("", []),
        (None, []),
    ],
)
def test_statements_about_closed_candles_are_read(text: str | None, read: list[str]) -> None:
    assert [stated(group) for group in groups(conditions(text))] == read


def test_what_is_told_is_read_again_as_the_same() -> None:
    for text in (
        "4h ema20 below ema50 or 15m close below 59100",
        "4h ema20 below ema50 and 15m close below 59100 or 1h hist below 0",
        "1h close below 0.0000087 or 1h close above 0.000012",
        "5m close above 1234567.25",
        "1h hist below -0.00000004",
    ):
        assert stated(conditions(text)) == text


def test_they_are_few() -> None:
    assert len(conditions(" or ".join(f"1m close below {n}" for n in range(1, 400)))) == MAX_CONDITIONS


def test_those_that_hold_together_are_kept_together_or_not_at_all() -> None:
    text = "1h close below 3 or 1h close below 2 or 1h hist below 0 and 5m rsi14 below 40 and 1m close below 2"
    assert stated(conditions(text)) == "1h close below 3 or 1h close below 2"


@given(st.text(max_size=300))
def test_no_text_brings_more_than_closed_words_and_numbers(text: str) -> None:
    for each in conditions(f"1m close below 5 or {text} or 1h macd above {text}"):
        assert set(told(each)) <= set("0123456789.-+e abcdefghijklmnopqrstuvwxyz_")
        assert len(told(each)) < 60
