"""The report of a run: whole, small, without anything from elsewhere, and hostile text stays text."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pytest

from replay.judged import WishedEntry, close_at, forward
from replay.report.charts import MOST_POINTS, kept
from replay.report.folder import HourlyEquity, NoRun
from replay.report.page import falls, write_report
from replay.report.scale import ChartScale
from replay.report.tables import periods
from replay.shown import candles
from services.feed.domain.bars import MINUTE
from tests.integration.replay.test_results import done
from tests.unit.replay.markets import SYMBOLS, market, wanted

PLAYED = market(400, 130, wild=0.005)
VOID = {"meta", "br"}


class Tags(HTMLParser):
    """Counts what is open, and keeps what would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.fetched += [f"{name}={value}" for name, value in attrs if name in ("src", "href", "srcset", "onload")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    done(folder, wanted(PLAYED))
    return folder


def test_a_report_needs_nothing_beside_it(run: Path) -> None:
    text = write_report(run).read_text()
    tags = Tags()
    tags.feed(text)
    assert (tags.open, tags.fetched) == ([], [])
    assert not tags.seen & {"script", "img", "link", "iframe"}
    assert "url(" not in text and "@import" not in text
    assert len(text) < 500_000
    assert write_report(run).read_text() == text


def test_a_report_shows_each_trade_where_it_was_filled(run: Path) -> None:
    text = write_report(run).read_text()
    events = [orjson.loads(line) for line in (run / "events.jsonl").read_bytes().splitlines()]
    fills = [event for event in events if event.get("kind") == "filled"]
    assert fills
    assert len(re.findall(r'<i class="m \w" style', text)) == len(fills)
    trades = [orjson.loads(line) for line in (run / "trades.jsonl").read_bytes().splitlines()]
    assert trades
    assert all(f"closed at {float(trade['exit_price']):g}" in " ".join(text.split()) for trade in trades)


def test_what_a_policy_writes_stays_text(run: Path, tmp_path: Path) -> None:
    for file in run.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    decisions = tmp_path / "decisions.jsonl"
    rows = [orjson.loads(line) for line in decisions.read_bytes().splitlines()]
    for row in rows:
        if "verdicts" in row:
            row["rationale"] = row["verdicts"][0]["why"] = "<script>alert(1)</script><img src=x>"
    decisions.write_bytes(b"\n".join(orjson.dumps(row) for row in rows) + b"\n")
    text = write_report(tmp_path).read_text()
    assert "<script" not in text and "<img" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_run_that_is_not_complete_has_no_report(tmp_path: Path) -> None:
    done(tmp_path, wanted(PLAYED), hours=1)
    with pytest.raises(NoRun):
        write_report(tmp_path)


def test_candles_hold_what_the_minutes_had() -> None:
    for row in candles(PLAYED):
        bars = PLAYED.columns(row["symbol"], PLAYED.starts, PLAYED.ends)
        assert max(row["high"]) == max(bars.high) and min(row["low"]) == min(bars.low)
        assert (row["open"][0], row["close"][-1]) == (bars.open[0], bars.close[-1])


def test_an_entry_is_right_by_the_close_of_its_horizon() -> None:
    at, symbol = PLAYED.starts + 7 * MINUTE, SYMBOLS[0]
    after = PLAYED.whole[symbol].close[130 + 7 + 60 - 1]
    assert close_at(PLAYED, symbol, at + 60 * MINUTE) == after
    sold = WishedEntry("decision", at, symbol, -1, 1_000.0, 60.0)
    assert forward(sold, PLAYED, 60 * MINUTE) == pytest.approx((1 - after / 1_000) * 100)
    assert forward(sold, PLAYED, 600 * MINUTE) is None


def test_the_point_at_or_just_after_midnight_is_of_the_day_that_ends() -> None:
    begins = datetime(2026, 5, 31, tzinfo=UTC)
    times = [begins + timedelta(hours=n, seconds=15 * (n % 2)) for n in range(49)]
    equity = HourlyEquity(times, [100.0] * 24 + [110.0] * 24 + [99.0])
    told = {day: round(made, 6) for day, made in periods(equity, lambda at: at.date().isoformat())}
    assert told == {"2026-05-31": 10, "2026-06-01": -10}
    assert [month for month, _ in periods(equity, lambda at: at.month)] == [5, 6]
    assert [day for day, _ in periods(HourlyEquity(times[:25], equity.values[:25]), lambda at: at.day)] == [31]


def test_a_long_line_keeps_its_extremes() -> None:
    values = [float((n * 7_919) % 10_007) for n in range(20_000)]
    places = kept(values)
    assert len(places) <= MOST_POINTS + 2
    assert {values.index(max(values)), values.index(min(values)), 0, 19_999} <= set(places)


def test_falls_are_below_the_highest_so_far() -> None:
    assert falls([100, 110, 99, 110]) == pytest.approx([0, 0, 10, 0])


@pytest.mark.parametrize(("low", "high"), [(-3.2, 1.1), (0.00012, 0.00019), (61_000, 108_000), (5, 5)])
def test_a_scale_has_some_round_figures_within_it(low: float, high: float) -> None:
    scale = ChartScale.of([low, high])
    steps = scale.steps()
    assert 3 <= len(steps) <= 8
    assert all(scale.low <= step <= scale.high for step in steps)
