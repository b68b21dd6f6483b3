from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from rich.console import Console

from cli.ask.board import AccountRow, DecisionRow, PositionRow, PriceRow, Screen, ServerRow, WorkerRow
from cli.ask.counts import Counts
from cli.run.workers import TABLE
from cli.screen.parts import price, sparkline
from cli.screen.view import render

SNAPSHOT = """\
 Perpetua   real market  2025-05-15 03:12:00 UTC  ×60                  1:05  ends in 0:25  Ctrl-C ends
╭─ workers ───────────────────────────────────────────╮╭─ market ──────────────────────────────────╮
│ worker      state                 lag restarts MiB  ││ symbol       price     run                │
│ feed-1      ● ready                 –        0  64  ││ BTCUSDT 103,245.20 +1.01 %          ▁▅▂█  │
│ context-1   ● ready                 3        0  64  ││ XRPUSDT     2.3714 +1.01 %          ▁▅▂█  │
│ decider-1   ● ready                 3        0  64  ││                                           │
│ validator-1 ○ waiting killed by …   3        2   –  ││                                           │
│ executor-1  ● ready                 3        0  64  ││                                           │
│ ledger-1    ● ready                 3        0  64  ││                                           │
│ gateway-1   ● ready                 –        0  64  ││                                           │
╰─────────────────────────────────────────────────────╯╰───────────────────────────────────────────╯
"""


def board() -> Screen:
    made = Screen("real", "http://127.0.0.1:8080", ".perpetua/api_key", 60)
    made.servers = [ServerRow("nats", "2.15.1", "nats://127.0.0.1:4222", "bundled")]
    made.workers = [
        WorkerRow(f"{row.name}-1", "ready", 0, None if row.name in ("feed", "gateway") else 3, 64.4)
        for row in TABLE
        if not row.optional
    ]
    made.workers[3] = WorkerRow("validator-1", "waiting", 2, 3, None, "killed by SIGKILL, again in 2 s")
    made.market_time = datetime(2025, 5, 15, 3, 12, tzinfo=UTC)
    for symbol, value in (("BTCUSDT", 103_245.2), ("XRPUSDT", 2.3714)):
        made.prices[symbol] = row = PriceRow(value, value * 0.99)
        row.samples.extend((1.0, 1.5, 1.2, 2.0))
    for minute in range(30):
        at = made.market_time + timedelta(minutes=minute)
        made.decisions.append(DecisionRow(at, "scalping", "BTCUSDT", "close_position", "accepted", "500 USDT ×5"))
    made.accounts = [
        AccountRow(
            *("aggressive", "aggressive", "active", Decimal("10023.11"), Decimal(10_000)),
            positions=(
                PositionRow("BTCUSDT", "long", Decimal("0.0500"), Decimal(103_000), Decimal(103_245), Decimal("12.25")),
            ),
        ),
        AccountRow("scalping", "scalping", "reducing", Decimal(9_990), Decimal(10_000)),
    ]
    made.counts = Counts(ticks=12_345, contexts=60, decisions=60, accepted=20, denied=10, orders=60, fills=22)
    made.elapsed_s, made.left_s, made.restarts = 65.2, 25.0, 2
    return made


def drawn(shown: Screen, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(render(shown, width=width, height=height))
    return capture.get().rstrip("\n").split("\n")


def test_the_upper_half_looks_like_this() -> None:
    wanted = SNAPSHOT.splitlines()
    got = drawn(board(), 100, 30)
    assert [line.rstrip() for line in got[1 : len(wanted)]] == wanted[1:]
    assert " ".join(got[0].split()) == " ".join(wanted[0].split())


@pytest.mark.parametrize(("width", "height"), [(100, 30), (120, 40), (200, 60)])
def test_it_fills_the_screen_exactly_and_shows_what_matters(width: int, height: int) -> None:
    lines = drawn(board(), width, height)
    assert len(lines) == height
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    for wanted in (
        *("2025-05-15 03:12:00", "real market", "context-1", "103,245.20", "close position", "accepted"),
        *("10,023.11 USDT", "+23.11", "long  BTCUSDT", "+12.25", "reducing", "12,345 ticks", "2 restarts"),
        *("http://127.0.0.1:8080/docs", "key .perpetua/api_key", "nats 2.15.1"),
    ):
        assert wanted in text


def test_the_newest_decision_is_on_top() -> None:
    text = "\n".join(drawn(board(), 100, 30))
    assert text.index("03:41:00") < text.index("03:40:00")


def test_an_empty_board_says_what_it_waits_for() -> None:
    text = "\n".join(drawn(Screen("synthetic", "http://127.0.0.1:1", "k", 60), 100, 30))
    assert "synthetic market" in text
    assert "waiting for the first tick" in text
    assert "waiting for the first decision" in text


def test_fifteen_copies_of_workers_leave_room_for_decisions() -> None:
    shown = board()
    shown.workers = [WorkerRow(f"decider-{n}", "ready", 0, 0, 190.0) for n in range(1, 16)]
    assert any("close position" in line for line in drawn(shown, 100, 30))


def test_what_is_away_is_said_on_top() -> None:
    shown = board()
    shown.notice = "NATS is away"
    assert "NATS is away" in drawn(shown, 120, 30)[0]


@pytest.mark.parametrize(
    ("samples", "width", "wanted"),
    [([], 5, ""), ([1.0], 5, ""), ([2.0, 2.0], 5, "▁▁"), ([0.0, 1.0], 5, "▁█"), ([9.0, 0.0, 1.0], 2, "▁█")],
)
def test_a_sparkline_spans_its_own_range(samples: list[float], width: int, wanted: str) -> None:
    assert sparkline(samples, width) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"), [(103_245.2, "103,245.20"), (170.1234, "170.123"), (2.37141, "2.3714"), (0.00012, "0.0001")]
)
def test_prices_keep_the_digits_that_matter(value: float, wanted: str) -> None:
    assert price(value) == wanted
