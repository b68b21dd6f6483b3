"""No answer holds whoever reads it: work grows with the length and no faster, and is bounded for any length."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import pytest

from services.decider.domain.completion import BODY_LIMIT, BodyFailure, Completion, as_body, understood
from services.decider.domain.parse import Malformed, Parsed, parse
from services.decider.domain.replies import TEXT_LIMIT
from tests.fakes.decider_hostile import ATOMS, HEADS, answer, grown
from tests.forms import sized
from tests.pace import usual

T = TypeVar("T")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
MOST_S = 0.05
LONGEST = 1_000_000
LENGTH = sized(TEXT_LIMIT // 2, TEXT_LIMIT)
LINEAR = 8  # four times the length takes four times as long, sixteen where it is quadratic
UNMEASURED_S = 0.004  # below it is noise


def timed(work: Callable[[], T], most: float = 0.0) -> tuple[T, float]:
    """What the work gave, and the processor time of this thread; the least of three where one is above `most` (a
    collection of garbage is not the work's)."""
    least = float("inf")
    for _ in range(3):
        begun = time.thread_time()
        result = work()
        least = min(least, time.thread_time() - begun)
        if least <= most:
            break
    return result, least


def seconds(work: Callable[[], object], most: float = 0.0) -> float:
    return timed(work, most)[1]


def read_whole(text: str) -> Parsed | Malformed | BodyFailure:
    """As a model's text in a provider's body, as far as it gets."""
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]})
    said = understood(200, body.encode()[:BODY_LIMIT])
    return said if isinstance(said, BodyFailure) else parse(said.text or "", SYMBOLS)


@pytest.mark.parametrize("seeds", [range(150), pytest.param(range(150, 10_000), marks=pytest.mark.long)], ids=len)
def test_no_generated_answer_takes_more_than_fifty_milliseconds(seeds: range) -> None:
    slow = []
    for seed in seeds:
        text = answer(seed, LONGEST if seed % 2 else TEXT_LIMIT)
        meaning, took = timed(partial(read_whole, text), MOST_S)
        assert isinstance(meaning, Parsed | Malformed | BodyFailure)
        if took > MOST_S and usual(took) > MOST_S:
            slow.append((seed, round(took, 3), text[:60]))
    assert slow == []


@pytest.mark.parametrize("seeds", [range(50), pytest.param(range(50, 2_000), marks=pytest.mark.long)], ids=len)
def test_no_generated_body_takes_more_than_fifty_milliseconds(seeds: range) -> None:
    """The same texts as the body itself: what stands there instead of a completion."""
    for seed in seeds:
        body = answer(seed, LONGEST).encode("utf-8", "replace")[:BODY_LIMIT]
        for status in (200, 500):
            meaning, took = timed(partial(understood, status, body), MOST_S)
            assert isinstance(meaning, Completion | BodyFailure)
            assert took <= MOST_S or usual(took) <= MOST_S, seed


def grows_with(short: Callable[[], object], long: Callable[[], object]) -> bool:
    """In one reading: beside other work a processor gives each of the two another speed. What is quadratic takes twice
    as long as is allowed here in every one."""
    most = LINEAR * max(seconds(short, UNMEASURED_S / 4), UNMEASURED_S / 4)
    return seconds(long, most) <= most


SINGLE = [(atom,) for atom in ATOMS]
PAIRS = [(one, other) for n, one in enumerate(ATOMS) for other in ATOMS[n + 1 : n + 9]]


@pytest.mark.parametrize("turns", [SINGLE, pytest.param(PAIRS, marks=pytest.mark.long)], ids=["atoms", "pairs"])
@pytest.mark.parametrize("head", HEADS, ids=repr)
def test_four_times_the_length_takes_four_times_as_long(head: str, turns: list[tuple[str, ...]]) -> None:
    for atoms in turns:
        short, long = (grown(atoms, length, head) for length in (LENGTH // 4, LENGTH))
        assert any(grows_with(partial(parse, short, SYMBOLS), partial(parse, long, SYMBOLS)) for _ in range(5)), atoms


STRINGS = [
    ("blanks inside of a price", '"tp_price": "1' + " " * 40_000 + '2"'),
    ("blanks before an x", '"leverage": "1' + " " * 40_000 + 'y"'),
    ("dollars", '"allocation_usd": "' + "$ " * 20_000 + '"'),
    ("a long action", '"action": "' + "buy - " * 6_000 + '"'),
    ("a long asset", '"asset": "' + "BTC/" * 10_000 + '"'),
    ("many unknown fields", ", ".join(f'"f{n}": {n}' for n in range(3_500))),
    ("Stack Overflow, 20 July 2016: 20 000 blanks before a sign", '"rationale": "x' + " " * 20_000 + 'x"'),
    ("Cloudflare, 2 July 2019: many equals signs", '"exit_plan": "x' + "=x" * 15_000 + '"'),
    ("CVE-2020-10735: an integer of many digits", '"leverage": ' + "9" * 45_000),
    ("many factors", '"key_factors": [' + "1," * 20_000 + "1]"),
]


@pytest.mark.parametrize("field", [s[1] for s in STRINGS], ids=[s[0] for s in STRINGS])
def test_no_value_takes_long_to_understand(field: str) -> None:
    text = '{"decisions": [{"asset": "BTCUSDT", ' + field + "}]}"
    meaning, took = timed(partial(parse, text, SYMBOLS), MOST_S)
    assert isinstance(meaning, Malformed)
    assert took <= MOST_S or usual(took) <= MOST_S


def test_whatever_was_understood_is_a_small_body_for_litellm() -> None:
    for seed in range(100):
        said = understood(200 if seed % 2 else 500, answer(seed, LONGEST).encode("utf-8", "replace"))
        body = as_body(said)
        assert len(body) < 8 * TEXT_LIMIT
        assert json.loads(body)
