from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import orjson
import pytest
from rich.console import Console

from cli.ask.market import MarketView, add_left_out, add_workers, gaps, symbol_row
from cli.screen.market_view import complaints, left_out, render
from tests import builders

NOW = datetime(2025, 5, 15, 12, 0, 30, tzinfo=UTC)
MINUTE = int(NOW.timestamp()) // 60 * 60


def minutes(*ago: int) -> set[int]:
    return {MINUTE - 60 * n for n in ago}


def view(*rows: Any) -> MarketView:
    return MarketView(NOW, False, 60.0, list(rows))


def test_a_gap_is_named_by_its_first_candle_and_the_one_after_it() -> None:
    found = gaps("1m", sorted(minutes(1, 2, 5, 6, 8)), 60)
    assert [(gap.candles, gap.begin, gap.end) for gap in found] == [
        (1, at(-7), at(-6)),
        (2, at(-4), at(-2)),
    ]


def at(minute: int) -> datetime:
    return datetime.fromtimestamp(MINUTE, UTC) + timedelta(minutes=minute)


@pytest.mark.parametrize(
    ("newest", "late"), [(1, []), (2, ["1m"]), (3, ["1m"])], ids=["the last minute", "one is missing", "two are"]
)
def test_a_newest_candle_that_has_not_come_is_named(newest: int, late: list[str]) -> None:
    assert symbol_row("BTCUSDT", None, {"1m": minutes(newest, newest + 1)}, NOW).late == late


def test_a_row_tells_price_age_and_candles_of_each_timeframe() -> None:
    tick = builders.tick(price=103.5, ts=NOW - timedelta(seconds=7), source="replay")
    row = symbol_row("BTCUSDT", tick, {"5m": {MINUTE - 600, MINUTE - 300}, "1m": minutes(1, 2, 3)}, NOW)
    assert (row.price, row.age_s, row.source) == (103.5, 7.0, "replay")
    assert list(row.candles.items()) == [("1m", 3), ("5m", 2)]
    assert row.gaps == [] and complaints(row) == []


def test_of_replicas_the_one_that_saw_most_differences_counts_and_each_one_has_its_lag() -> None:
    text = (
        "perpetua_context_market_sequence {}\n"
        'perpetua_context_candle_mismatches_total{{kind="mismatch",symbol="BTCUSDT"}} {}\n'
        'perpetua_context_candle_mismatches_total{{kind="missed",symbol="BTCUSDT"}} 1.0\n'
    )
    found = view(symbol_row("BTCUSDT", None, {}, NOW), symbol_row("ETHUSDT", None, {}, NOW))
    add_workers(found, {"context-0": text.format(990, 2), "context-1": text.format(1000, 3), "context-2": None}, 1_000)
    assert found.lags == {"context-0": 10, "context-1": 0, "context-2": None}
    assert [(row.mismatches, row.missed) for row in found.symbols] == [(3, 1), (0, 0)]


def test_without_workers_differences_are_unknown_and_not_none() -> None:
    found = view(symbol_row("BTCUSDT", None, {}, NOW))
    add_workers(found, {"context-0": None}, 5)
    assert (found.symbols[0].mismatches, found.symbols[0].missed) == (None, None)


def test_it_is_shown_to_people_and_given_to_programs() -> None:
    row = symbol_row("BTCUSDT", None, {"1m": minutes(2, 5, 7, 9, 11, 13)}, NOW)
    console = Console(width=120, file=StringIO())
    with console.capture() as shown:
        console.print(render(view(row)))
    text = shown.get()
    assert "BTCUSDT 1m: 2 missing from 05-15 11:56 to 11:58" in text.replace("to 05-15 ", "to ")
    assert "and 2 other gaps; --json shows all" in text
    assert "the newest candle of 1m has not come" in text
    data = orjson.loads(view(row).as_json())
    assert [gap["candles"] for gap in data["symbols"][0]["gaps"]] == [1, 1, 1, 1, 2]


HEALTH = '{"market": {"followed": 500, "left_out": %d, "names": ["XUSDT", "YUSDT"]}, "status": "ok"}'


@pytest.mark.parametrize(
    ("answers", "names", "count"),
    [
        pytest.param({"context-0": HEALTH % 102}, ["XUSDT", "YUSDT"], 102, id="M23: 102 left out"),
        pytest.param({"context-0": HEALTH % 2, "context-1": HEALTH % 3}, ["XUSDT", "YUSDT"], 3, id="replicas differ"),
        pytest.param({"context-0": None, "context-1": HEALTH % 2}, ["XUSDT", "YUSDT"], 2, id="one does not answer"),
        pytest.param({"context-0": "{}"}, [], 0, id="an older worker does not say"),
        pytest.param({"context-0": "no JSON"}, [], 0, id="no JSON"),
        pytest.param({}, [], 0, id="no worker"),
    ],
)
def test_what_is_left_out_is_told(answers: dict[str, str | None], names: list[str], count: int) -> None:
    found = view()
    add_left_out(found, answers)
    assert (found.left_out, found.left_out_count) == (names, count)
    said = left_out(found)
    assert len(said) == bool(count)
    assert all("PERPETUA_MAX_SYMBOLS): XUSDT, YUSDT" in line for line in said)
    assert all((f"and {count - 2} more" in line) is (count > 2) for line in said)


def test_candles_that_were_not_looked_at_are_told() -> None:
    found = view()
    found.unread = ["A", "B"]
    assert left_out(found) == ["candles of 2 symbols were not looked at, reading them takes too long"]
