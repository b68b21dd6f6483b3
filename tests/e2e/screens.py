"""Shows the live view of a made-up run in this terminal until it is ended, and then a summary, as `perpetua demo` does.

python -m tests.e2e.screens
"""

import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from rich.console import Console
from rich.live import Live

from cli.ask.board import AccountRow, DecisionRow, PositionRow, PriceRow, Screen, ServerRow, WorkerRow
from cli.ask.counts import Counts
from cli.run.workers import ALWAYS
from cli.screen.view import render

SUMMARY = "60 s on the synthetic market: this stays"
PRICES = (("BTCUSDT", 103_245.2), ("ETHUSDT", 3_912.44), ("SOLUSDT", 171.2), ("BNBUSDT", 655.1), ("XRPUSDT", 2.3714))


def board() -> Screen:
    made = Screen("synthetic", "http://127.0.0.1:28080", ".perpetua/api_key", 60)
    made.servers = [
        ServerRow("nats", "2.15.1", "nats://127.0.0.1:14222", "bundled"),
        ServerRow("mongodb", "6.0.5", "mongodb://127.0.0.1:27117/", "bundled"),
        ServerRow("redis", "6.2.14", "redis://127.0.0.1:16379/0", "bundled"),
    ]
    made.workers = [WorkerRow(f"{name}-1", "ready", 0, 0, 64.4) for name in ALWAYS]
    made.market_time = datetime(2025, 5, 15, 3, 12, tzinfo=UTC)
    for symbol, value in PRICES:
        made.prices[symbol] = row = PriceRow(value, value * 0.99)
        row.samples.extend((1.0, 1.5, 1.2, 2.0) * 10)
    for minute in range(30):
        at = made.market_time + timedelta(minutes=minute)
        made.decisions.append(DecisionRow(at, "scalping", "ETHUSDT", "close_position", "accepted", "2,500 USDT ×5"))
    held = PositionRow("BTCUSDT", "long", Decimal("0.05"), Decimal(103_000), Decimal(103_245), Decimal("12.25"))
    made.accounts = [
        AccountRow("aggressive", "aggressive", "active", Decimal("10023.11"), Decimal(10_000), (held,)),
        AccountRow(
            *("scalping", "scalping", "reducing", Decimal(9_490), Decimal(10_000), ()),
            standing="reducing since 05-15 03:10 UTC by executor: 5.10 % of the day's opening equity are lost",
            way_back="it trades again when the UTC day of the market ends",
        ),
    ]
    made.counts = Counts(ticks=12_345, contexts=60, decisions=60, accepted=20, denied=10, orders=60, fills=22)
    made.elapsed_s = 65.2
    return made


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(render(board(), width=console.width, height=console.height), refresh=True)
        signal.sigwait({signal.SIGINT})
    print(SUMMARY)


if __name__ == "__main__":
    main()
