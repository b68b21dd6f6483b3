"""Checks of market events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from faststream.nats import NatsBroker
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.bus import Bus
from libs.runtime.reader import Record
from libs.runtime.ticks import MAX_CLOCK_SKEW_S, BadTick, TickIntake
from libs.schemas.market import FundingUpdate, MarketNote, MarketTick
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.subjects import MAX_TICK_BYTES
from tests.fakes.clock import START, FakeClock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Taken:
    """An intake with what it handed on."""

    def __init__(self, clock: FakeClock | None = None, *, ticks_only: bool = False) -> None:
        self.ticks: list[tuple[MarketTick, int]] = []
        self.funding: list[FundingUpdate] = []
        self.notes: list[MarketNote] = []
        self.bad: list[BadTick] = []
        self.intake = TickIntake(
            Bus(NatsBroker("nats://127.0.0.1:1"), "test"),
            clock or FakeClock(),
            on_tick=lambda tick, sequence: self.ticks.append((tick, sequence)),
            on_funding=None if ticks_only else lambda update, _: self.funding.append(update),
            on_note=None if ticks_only else lambda note, _: self.notes.append(note),
            on_bad=self.bad.append,
        )

    def take(
        self, body: bytes | dict[str, Any], subject: str = "market.tick.BTCUSDT", stored: datetime = START
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.intake.take(Record(subject, data, 41, None, (stored - EPOCH) // timedelta(microseconds=1) * 1_000))


def tick(**fields: Any) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "price": 100.0, **fields}


def later(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


BAD: dict[str, tuple[bytes | dict[str, Any], str, DeadLetterCode, str | None]] = {
    "no JSON": (b"{", "market.tick.BTCUSDT", DeadLetterCode.MALFORMED, None),
    "empty": (b"", "market.tick.BTCUSDT", DeadLetterCode.MALFORMED, None),
    "no UTF-8": (b'{"symbol": "\xff"}', "market.tick.BTCUSDT", DeadLetterCode.MALFORMED, None),
    "a list": (b"[]", "market.tick.BTCUSDT", DeadLetterCode.INVALID, None),
    "nested without end": (b"[" * 10_000, "market.tick.BTCUSDT", DeadLetterCode.MALFORMED, None),
    "no price": ({"symbol": "BTCUSDT"}, "market.tick.BTCUSDT", DeadLetterCode.INVALID, "price"),
    "NaN": (b'{"symbol": "BTCUSDT", "price": NaN}', "market.tick.BTCUSDT", DeadLetterCode.INVALID, "price"),
    "infinite": (b'{"symbol": "BTCUSDT", "price": 1e999}', "market.tick.BTCUSDT", DeadLetterCode.INVALID, "price"),
    "NaN beside the price": (
        b'{"symbol": "BTCUSDT", "price": 1, "size": NaN}',
        "market.tick.BTCUSDT",
        DeadLetterCode.INVALID,
        "size",
    ),
    "a price of nothing": (tick(price=0), "market.tick.BTCUSDT", DeadLetterCode.INVALID, "price"),
    "bid above ask": (tick(bid=2, ask=1), "market.tick.BTCUSDT", DeadLetterCode.INVALID, "ask"),
    "a time without a zone": (tick(ts="2026-11-20T12:00:00"), "market.tick.BTCUSDT", DeadLetterCode.INVALID, "ts"),
    "a time to come": (tick(ts=later(MAX_CLOCK_SKEW_S + 1)), "market.tick.BTCUSDT", DeadLetterCode.FUTURE, "ts"),
    "another symbol": (tick(), "market.tick.ETHUSDT", DeadLetterCode.SUBJECT_MISMATCH, "symbol"),
    "a symbol that is none": (tick(symbol="BTC/USDT"), "market.tick", DeadLetterCode.INVALID, "symbol"),
    "too large": (
        tick(source="x" * MAX_TICK_BYTES),
        "market.tick.BTCUSDT",
        DeadLetterCode.OVERSIZED,
        None,
    ),
    "funding of another symbol": (
        {"symbol": "BTCUSDT", "funding_time": later(0), "rate": 0.0001},
        "market.funding.ETHUSDT",
        DeadLetterCode.SUBJECT_MISMATCH,
        "symbol",
    ),
    "funding without a rate": (
        {"symbol": "BTCUSDT", "funding_time": later(0)},
        "market.funding.BTCUSDT",
        DeadLetterCode.INVALID,
        "rate",
    ),
    "a note without text": (
        {"note_id": "n", "source": "s", "text": "", "published_at": later(0), "expires_at": later(1)},
        "market.note.all",
        DeadLetterCode.INVALID,
        "text",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_it_refuses(case: str) -> None:
    body, subject, code, field = BAD[case]
    taken = Taken()
    taken.take(body, subject)
    assert [(bad.code, bad.field) for bad in taken.bad] == [(code, field)]
    assert taken.bad[0].message
    assert not (taken.ticks or taken.funding or taken.notes)
    assert (taken.intake.received, taken.intake.bad) == (1, 1)


def test_it_hands_on_a_tick_with_its_sequence() -> None:
    taken = Taken()
    taken.take(tick(ts=later(-1)))
    ((found, sequence),) = taken.ticks
    assert (found.symbol, found.price, found.ts, sequence) == ("BTCUSDT", 100, START - timedelta(seconds=1), 41)


def test_a_tick_on_the_subject_without_a_symbol_is_taken() -> None:
    taken = Taken()
    taken.take(tick(), "market.tick")
    assert len(taken.ticks) == 1


def test_unknown_fields_are_ignored() -> None:
    taken = Taken()
    taken.take(tick(colour="red"))
    assert len(taken.ticks) == 1


def test_funding_and_notes_are_handed_on() -> None:
    taken = Taken()
    taken.take({"symbol": "BTCUSDT", "funding_time": later(0), "rate": 0.0001}, "market.funding.BTCUSDT")
    note = {"note_id": "n", "source": "s", "text": "t", "published_at": later(0), "expires_at": later(1)}
    taken.take(note, "market.note.all")
    assert [update.rate for update in taken.funding] == [0.0001]
    assert [found.text for found in taken.notes] == ["t"]


def test_who_wants_ticks_alone_gets_ticks_alone() -> None:
    taken = Taken(ticks_only=True)
    taken.take(b"{", "market.funding.BTCUSDT")
    assert not taken.bad


def test_a_tick_a_little_ahead_of_this_clock_is_taken() -> None:
    taken = Taken()
    taken.take(tick(ts=later(MAX_CLOCK_SKEW_S)))
    assert len(taken.ticks) == 1


def test_at_replay_speed_a_clock_may_lag_by_as_much_more() -> None:
    taken = Taken(FakeClock(speed=60))
    taken.take(tick(ts=later(MAX_CLOCK_SKEW_S + 10)))
    taken.take(tick(ts=later(MAX_CLOCK_SKEW_S + 20)))
    assert (len(taken.ticks), len(taken.bad)) == (1, 1)


ARRIVALS = {
    "read as it arrives": (1.0, False, 0, 0),
    "read ten seconds later": (1.0, False, 10, -10),
    "read ten seconds later at sixty times": (60.0, False, 10, -600),
    "stored by a server whose clock is ahead": (1.0, False, -3, 0),
    "read while the market stands": (60.0, True, 10, 0),
}


@pytest.mark.parametrize("case", ARRIVALS)
def test_a_tick_without_a_time_gets_the_market_time_at_which_it_was_stored(case: str) -> None:
    speed, paused, ago, expected = ARRIVALS[case]
    taken = Taken(FakeClock(speed=speed, paused=paused))
    taken.take(tick(), stored=START - timedelta(seconds=ago))
    ((found, _),) = taken.ticks
    assert found.ts == START + timedelta(seconds=expected)


@given(st.binary(max_size=200), st.sampled_from(["market.tick.BTCUSDT", "market.funding.X", "market.note.all"]))
def test_no_bytes_raise(data: bytes, subject: str) -> None:
    taken = Taken()
    taken.take(data, subject)
    assert taken.intake.received == 1
