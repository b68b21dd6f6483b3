"""What would become of a publisher's messages."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.ask.publications import Audience, Publication, StillClock, publications
from cli.ask.published import PublishedKind
from cli.ask.rehearsal import Fate, FateKind, may_publish, rehearse
from cli.errors import CliError
from cli.screen.fates import SHOWN, as_json, told, told_of
from libs.runtime.reader import Record
from services.context.settings import Settings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CALM = [100.0, 100.1, 99.9, 100.0, 100.1, 100.0]  # enough for a band
A, D, R, F, U, H, X, L = (
    FateKind.ACCEPTED,
    FateKind.DUPLICATE,
    FateKind.REFUSED,
    FateKind.FOREIGN,
    FateKind.UNHEARD,
    FateKind.HELD,
    FateKind.DROPPED,
    FateKind.LATE,
)


def at(seconds: float) -> str:
    return (NOW - timedelta(seconds=60) + timedelta(seconds=seconds)).isoformat()


def tick(seconds: float, price: float = 100.0, **fields: Any) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "price": price, "source": "mine", "ts": at(seconds), **fields}


def sent(subject: str, body: object, msg_id: str | None = None) -> dict[str, Any]:
    return {"subject": subject, "body": body, "headers": {"Nats-Msg-Id": msg_id} if msg_id else None}


def ticks(*prices: float) -> list[dict[str, Any]]:
    return [tick(n, price) for n, price in enumerate(prices)]


def note(expires: float, symbol: str | None = None) -> dict[str, Any]:
    about = {"note_id": "n", "source": "desk", "text": "t", "published_at": at(0), "expires_at": at(expires)}
    return {**about, "symbol": symbol} if symbol else about


def payment(hours_ago: float) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "funding_time": (NOW - timedelta(hours=hours_ago)).isoformat(), "rate": 0.0001}


def heard(*bodies: dict[str, Any]) -> tuple[Record, ...]:
    return tuple(
        Record("market.tick", json.dumps(body).encode(), n, None, int(NOW.timestamp()) * 10**9)
        for n, body in enumerate(bodies, 1)
    )


def audience(*records: Record) -> Audience:
    return Audience(frozenset({"BTCUSDT", "ETHUSDT"}), StillClock(NOW, NOW), records)


def played(
    lines: list[Any], log: tuple[Record, ...] = (), kind: PublishedKind = PublishedKind.TICK, **settings: Any
) -> list[Fate]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return rehearse(publications(text.encode(), kind), audience(*log), Settings(**settings))[0]


CASES: dict[str, tuple[list[Any], list[FateKind]]] = {
    "a tick": ([tick(0)], [A]),
    "without a time": ([{"symbol": "BTCUSDT", "price": 1}], [A]),
    "no JSON": (["{"], [R]),
    "from the future": ([tick(90)], [R]),
    "another spelling": ([tick(0, symbol="btcusdt")], [R]),
    "the subject of another symbol": ([sent("market.tick.ETHUSDT", tick(0))], [R]),
    "a subject that publishers have not": ([sent("market.candle.BTCUSDT.1m", tick(0))], [R]),
    "a pattern for a subject": ([sent("market.tick.*", tick(0))], [R]),
    "a body that is a text": ([sent("market.tick", "no JSON")], [R]),
    "the same message": ([sent("market.tick", tick(0), "a"), sent("market.tick", tick(1), "a")], [A, D]),
    "the same tick_id": ([tick(0, tick_id="a"), tick(1, tick_id="a")], [A, D]),
    "all the same": ([tick(0), tick(0)], [A, D]),
    "a symbol that nobody trades": ([tick(0, symbol="DOGEUSDT")], [F]),
    "two sources": ([tick(0), tick(1), tick(2, source="other"), tick(3, source="other")], [A, A, U, U]),
    "far away, and alone": (ticks(*CALM, 150, 100), [*[A] * 6, X, A]),
    "far away, and confirmed": (ticks(*CALM, 150, 151), [A] * 8),
    "far away, and the last": (ticks(*CALM, 150), [*[A] * 6, H]),
    "far away, and told twice": ([*ticks(*CALM), tick(9, 150), tick(9, 150)], [*[A] * 6, H, D]),
    "twice far away, either way": (ticks(*CALM, 150, 50, 100), [*[A] * 6, X, X, A]),
    "older than the newest": ([tick(n) for n in (50, 51, 46)], [A, A, L]),
    "a note": ([sent("market.note.all", note(3_600))], [A]),
    "a note about a symbol that nobody trades": ([sent("market.note.DOGEUSDT", note(3_600, "DOGEUSDT"))], [F]),
    "a note that has expired": ([sent("market.note.all", note(30))], [L]),
    "funding": ([sent("market.funding.BTCUSDT", payment(8)), sent("market.funding.BTCUSDT", payment(0))], [A, A]),
    "funding of before": (
        [sent("market.funding.BTCUSDT", payment(0)), sent("market.funding.BTCUSDT", payment(8))],
        [A, L],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_message_has_its_fate(case: str) -> None:
    lines, expected = CASES[case]
    fates = played(lines)
    assert [fate.kind for fate in fates] == expected
    assert all(fate.said for fate in fates if fate.kind is not A)
    assert [fate.line for fate in fates] == list(range(1, len(lines) + 1))


def test_a_refusal_names_code_and_field_as_a_dead_letter_does() -> None:
    (fate,) = played([{"symbol": "BTCUSDT", "pirce": 1}])
    assert (fate.code, fate.wrong, fate.said[0]) == ("invalid", "price", "price: Field required")
    assert fate.said[1] == "pirce is not read: there is no such field; did you mean price?"
    assert told([fate])[0] == (
        "line 1     refused   market.tick  price: Field required (invalid); "
        "pirce is not read: there is no such field; did you mean price?"
    )
    assert json.loads(as_json(fate))["field"] == "price"


def test_what_the_log_holds_counts_before_the_file() -> None:
    log = heard(tick(0, source="replay"), *(tick(n, price, source="replay") for n, price in enumerate(CALM, 1)))
    fates = played([tick(8), tick(9, source="replay"), tick(10, 150, source="replay")], log)
    assert [fate.kind for fate in fates] == [U, A, H]
    assert fates[0].said == ["mine publishes prices too and is not listened to; replay is the source"]


def test_a_tick_of_the_log_that_is_held_is_confirmed_by_the_file() -> None:
    log = heard(*(tick(n, price) for n, price in enumerate([*CALM, 150])))
    assert [fate.kind for fate in played([tick(9, 151)], log)] == [A]


def test_an_id_that_the_log_still_remembers_is_a_duplicate() -> None:
    (new,), (old,) = (
        (Record("market.tick", json.dumps(tick(0)).encode(), 1, {"Nats-Msg-Id": "a"}, int(stored.timestamp()) * 10**9),)
        for stored in (NOW - timedelta(minutes=9), NOW - timedelta(minutes=11))
    )
    again = [sent("market.tick", tick(1), "a")]
    assert [fate.kind for fate in played(again, (new,))] == [D]
    assert [fate.kind for fate in played(again, (old,))] == [A]


def test_settings_are_those_of_the_workers() -> None:
    far = ticks(*CALM, 150, 100)
    assert [fate.kind for fate in played(far, price_band_pct=90)] == [A] * 8
    assert [fate.kind for fate in played(far[:2], tick_source="other")] == [U, U]


def test_symbols_beyond_the_room_are_foreign_and_said_so() -> None:
    fates = played([tick(0, symbol=symbol) for symbol in ("AUSDT", "BUSDT")], max_symbols=3)
    assert [fate.said[0].partition(",")[2].strip()[:12] for fate in fates] == ["", "and 3 symbol"]
    assert [fate.kind for fate in fates] == [F, F]


def test_bodies_of_one_kind_need_no_subject() -> None:
    assert [fate.subject for fate in played([payment(8)], kind=PublishedKind.FUNDING)] == ["market.funding.BTCUSDT"]
    assert [fate.kind for fate in played([note(3_600, "BTCUSDT"), note(3_600)], kind=PublishedKind.NOTE)] == [A, A]
    (wrong,) = played([{"symbol": "a.b", "rate": 1}], kind=PublishedKind.FUNDING)
    assert (wrong.kind, wrong.wrong) == (R, "symbol")


def test_an_empty_file_is_no_file_of_messages() -> None:
    with pytest.raises(CliError, match="no message"):
        publications(b"\n \n", PublishedKind.TICK)


def test_a_symbol_whose_newest_tick_is_old_is_named() -> None:
    text = json.dumps(tick(-600)).encode()
    hearing = audience()
    _, stale = rehearse(publications(text, PublishedKind.TICK), hearing, Settings())
    assert stale == ["BTCUSDT"]
    assert told_of(hearing, stale, 45)[1] == "no decision on BTCUSDT: the newest tick is older than 45 s"


def test_a_screen_takes_so_many_lines_and_totals_come_last() -> None:
    lines = told(played([{"symbol": "BTCUSDT"}] * (SHOWN + 3)))
    assert lines[SHOWN] == "and 3 more; --json tells of each message"
    assert lines[-2:] == [
        f"0 of {SHOWN + 3} accepted",
        f"{SHOWN + 3} refused: by the bus, or put aside as dead letters",
    ]


SUBJECTS = st.sampled_from(["market.tick", "market.tick.BTCUSDT", "market.funding.X", "market.note.all", "x", ""])


@given(st.lists(st.tuples(SUBJECTS, st.binary(max_size=100)), max_size=5))
def test_no_bytes_raise(messages: list[tuple[str, bytes]]) -> None:
    given_ = [Publication(n, subject, body) for n, (subject, body) in enumerate(messages, 1)]
    fates, _ = rehearse(given_, audience(), Settings())
    assert all(fate.kind is not None for fate in fates)


@pytest.mark.parametrize("subject", ["market.tick..", "market.tick.A B", "market.tick.>", "market", "order.filled.a"])
def test_a_publisher_may_publish_one_message_on_its_own_subjects(subject: str) -> None:
    assert not may_publish(subject)
    assert may_publish("market.tick.BTCUSDT")
