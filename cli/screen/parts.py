"""The parts of the view: each draws what it is given; nothing here waits or asks anything."""

from collections.abc import Sequence
from decimal import Decimal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.ask.board import AccountRow, DecisionRow, PriceRow, Screen, WorkerRow

_BARS = "▁▂▃▄▅▆▇█"
_VERDICTS = {
    "accepted": "green",
    "clamped": "yellow",
    "denied": "red",
    "hold": "dim",
    "abstained": "magenta",
    "rejected": "red",
    "answered": "dim",
}
_STATES = {
    "ready": ("●", "green"),
    "new": ("○", "dim"),
    "starting": ("◌", "yellow"),
    "unready": ("●", "yellow"),
    "waiting": ("○", "red"),
    "stopped": ("○", "dim"),
}


def header(board: Screen, *, live: bool = True) -> RenderableType:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(" Perpetua ", "bold black on bright_cyan")
    color = "cyan" if board.market == "real" else "yellow"
    line.append("  no feed" if board.market == "none" else f"  {board.market} market", color)
    if board.market_time is not None:
        line.append(f"  {board.market_time:%Y-%m-%d %H:%M:%S} UTC", "bold")
        line.append(f"  ×{board.speed:g}" + ("  paused" if board.paused else ""), "yellow" if board.paused else "dim")
    if board.notice:
        line.append(f"  {board.notice}", "bold red")
    if not live:
        return line
    right = Text(f"{_clock(board.elapsed_s)}", "dim")
    if board.left_s is not None:
        right.append(f"  ends in {_clock(max(0.0, board.left_s))}")
    right.append("  Ctrl-C ends ")
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(line, right)
    return grid


def counts_line(board: Screen, *, short: bool = False) -> Text:
    c = board.counts
    counts = Text(no_wrap=True, overflow="ellipsis")
    for name, value, style in (
        ("ticks", c.ticks, ""),
        ("contexts", c.contexts, ""),
        ("decisions", c.decisions, ""),
        ("accepted", c.accepted, "green"),
        ("denied", c.denied, "red"),
        ("abstained", c.abstained, "magenta"),
        ("orders", c.orders, ""),
        ("fills", c.fills, ""),
        ("dead", c.dead_letters, "red"),
        ("restarts", board.restarts, "yellow"),
    ):
        if short and name in ("contexts", "orders"):
            continue
        if value or not style:
            counts.append(f" {value:,}", style)
            counts.append(f" {name}" if short else f" {name} ", "dim")
    return counts


def worker_table(workers: Sequence[WorkerRow]) -> Table:
    table = _table()
    table.add_column("worker", no_wrap=True)
    table.add_column("state", no_wrap=True, ratio=1, overflow="ellipsis")
    for name in ("lag", "restarts", "MiB"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in workers:
        sign, style = _STATES.get(row.state, ("?", ""))
        state = Text(f"{sign} {row.state}", style, overflow="ellipsis", no_wrap=True)
        if row.note and row.state != "ready":
            state.append(f" {row.note}", "dim")
        table.add_row(
            row.instance,
            state,
            Text("–", "dim") if row.lag is None else Text(f"{row.lag:,}", "yellow" if row.lag > 20 else ""),
            Text(str(row.restarts), "yellow" if row.restarts else "dim"),
            "–" if row.rss_mib is None else f"{row.rss_mib:.0f}",
        )
    return table


def price_table(prices: dict[str, PriceRow], width: int) -> Table:
    table = _table()
    table.add_column("symbol", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("run", justify="right", no_wrap=True)
    table.add_column("", ratio=1, no_wrap=True, justify="right")
    chart = max(6, min(40, (width * 9) // 20 - 34))
    for symbol, row in prices.items():
        color = _color(row.change_pct)
        table.add_row(
            symbol,
            price(row.price),
            Text(f"{row.change_pct:+.2f} %", color),
            Text(sparkline(list(row.samples), chart), color or "dim"),
        )
    if not prices:
        table.add_row(Text("waiting for the first tick", "dim"), "", "", "")
    return table


def decision_table(decisions: Sequence[DecisionRow], height: int, *, time: str = "%m-%d %H:%M:%S") -> Table:
    """Newest first."""
    table = _table()
    for name in ("market time" if len(time) > 8 else "time", "account", "asset", "action", "verdict"):
        table.add_column(name, no_wrap=True)
    table.add_column("size, why", ratio=1, no_wrap=True, overflow="ellipsis")
    for row in list(decisions)[: -height - 1 : -1]:
        table.add_row(
            Text(f"{row.at:{time}}", "dim"),
            row.account,
            row.asset,
            row.action.replace("_", " "),
            Text(row.verdict + (f" ×{row.times}" if row.times > 1 else ""), _VERDICTS.get(row.verdict, "")),
            Text(row.text, "dim"),
        )
    if not decisions:
        table.add_row(Text("waiting for the first decision", "dim"), "", "", "", "", "")
    return table


def account_table(accounts: Sequence[AccountRow]) -> Table:
    table = _table()
    table.add_column("account", no_wrap=True)
    table.add_column("equity, positions", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    for account in accounts:
        change = account.equity - account.start
        state = "" if account.trading_state == "active" else f"  {account.trading_state}"
        table.add_row(
            Text(account.account, "bold"),
            Text(f"{account.equity:,.2f} USDT", "bold"),
            Text(f"{change:+,.2f}", _color(float(change))),
            Text(f"{account.strategy}{state}" + ("" if account.positions else "  no position"), "dim"),
        )
        for one in account.positions:
            table.add_row(
                "",
                Text.assemble((f"  {one.side:<5} ", "green" if one.side == "long" else "red"), one.symbol),
                Text(f"{one.pnl:+,.2f}", _color(float(one.pnl))),
                Text(
                    f"{one.quantity.normalize():f} at {price(float(one.entry))}, mark {price(float(one.mark))}", "dim"
                ),
            )
    if not accounts:
        table.add_row(Text("no account yet", "dim"), "", "", "")
    return table


def standing_lines(accounts: Sequence[AccountRow]) -> list[Text]:
    """Of each account that does not trade freely: since when, by whom, why, and what leads back."""
    return [
        Text.assemble((f"{account.account} ", "bold"), (f"{account.standing}; {account.way_back}", "yellow"))
        for account in accounts
        if account.standing
    ]


def sparkline(samples: Sequence[float], width: int) -> str:
    """The last `width` samples as bars between their lowest and highest."""
    shown = samples[-width:]
    if len(shown) < 2:
        return ""
    low, high = min(shown), max(shown)
    if high <= low:
        return _BARS[0] * len(shown)
    return "".join(_BARS[round((one - low) / (high - low) * (len(_BARS) - 1))] for one in shown)


def price(value: float) -> str:
    """Six digits that matter: 103,245.2 and 2.3714."""
    return f"{value:,.2f}" if value >= 1_000 else f"{value:,.3f}" if value >= 10 else f"{value:,.4f}"


def titled_table(*columns: str) -> Table:
    table = _table()
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _table() -> Table:
    return Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="grey50", show_edge=False)


def _color(change: float | Decimal) -> str:
    return "green" if change > 0 else "red" if change < 0 else "dim"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
