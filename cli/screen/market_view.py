"""Tables of what is known of each symbol."""

from rich.console import Group, RenderableType
from rich.text import Text

from cli.ask.market import MarketView, SymbolRow
from cli.screen.parts import price, titled_table
from libs.schemas.base import TIMEFRAME_SECONDS

_GAPS_SHOWN = 3


def render(view: MarketView) -> RenderableType:
    """Tables for people."""
    head = Text(f"market time {view.market_time:%Y-%m-%d %H:%M:%S} UTC ×{view.speed:g}")
    head.append("  paused" if view.paused else "", "yellow")
    table = titled_table("symbol", "price", "age s", "source", "missing", "mismatch", "missed")
    for row in view.symbols:
        missing = sum(gap.candles for gap in row.gaps)
        table.add_row(
            row.symbol,
            "–" if row.price is None else price(row.price),
            "–" if row.age_s is None else f"{row.age_s:.0f}",
            row.source,
            Text(str(missing), "red" if missing else ""),
            "–" if row.mismatches is None else str(row.mismatches),
            "–" if row.missed is None else str(row.missed),
        )
    kept = [timeframe for timeframe in TIMEFRAME_SECONDS if any(timeframe in row.candles for row in view.symbols)]
    candles = titled_table("candles", *kept)
    for row in view.symbols:
        candles.add_row(row.symbol, *(str(row.candles.get(timeframe, "–")) for timeframe in kept))
    notes = [Text(line, "red") for row in view.symbols for line in complaints(row)]
    notes += [Text(line, "yellow") for line in left_out(view)]
    lags = [Text(f"{name}: {'no answer' if lag is None else f'{lag} behind'}") for name, lag in view.lags.items()]
    return Group(head, Text(), table, Text(), candles, *notes, *([Text(), *lags] if lags else []))


def complaints(row: SymbolRow) -> list[str]:
    """A line for each of the newest gaps, and one for what is late."""
    lines = [
        f"{row.symbol} {gap.timeframe}: {gap.candles} missing from {gap.begin:%m-%d %H:%M} to {gap.end:%m-%d %H:%M}"
        for gap in row.gaps[-_GAPS_SHOWN:]
    ]
    if len(row.gaps) > _GAPS_SHOWN:
        lines.append(f"{row.symbol}: and {len(row.gaps) - _GAPS_SHOWN} other gaps; --json shows all")
    if row.late:
        lines.append(f"{row.symbol}: the newest candle of {', '.join(row.late)} has not come")
    return lines


def left_out(view: MarketView) -> list[str]:
    """What is on the bus and not shown whole."""
    lines = []
    if view.left_out_count:
        more = view.left_out_count - len(view.left_out)
        names = ", ".join(view.left_out) + (f" and {more} more" if more > 0 else "")
        lines.append(f"not followed, there is no room (PERPETUA_MAX_SYMBOLS): {names}")
    if view.unread:
        lines.append(f"candles of {len(view.unread)} symbols were not looked at, reading them takes too long")
    return lines
