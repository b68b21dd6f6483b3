"""The tables of a report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from replay.report.folder import HourlyEquity, Row
from replay.report.text import NOTHING, between, coloured, figure, percent, table, told

RATIOS = (
    ("sharpe", "Sharpe ratio (daily, × √365)", ""),
    ("sortino", "Sortino ratio (daily, × √365)", ""),
    ("calmar", "Calmar ratio", ""),
    ("cagr_pct", "CAGR", " %"),
    ("volatility_pct", "volatility, a year", " %"),
    ("max_drawdown_pct", "deepest fall", " %"),
    ("max_drawdown_hours", "longest time below a peak", " h"),
    ("trades", "trades", ""),
    ("win_rate_pct", "win rate", " %"),
    ("profit_factor", "profit factor", ""),
    ("expectancy", "expectancy of a trade", ""),
    ("exposure_pct", "time with a position", " %"),
    ("turnover", "turnover, times the equity", ""),
    ("liquidations", "liquidations", ""),
)
COUNTS = ("trades", "liquidations")
HALF_AN_HOUR = timedelta(minutes=30)


def ratios(stats: Row) -> str:
    bounds = stats["intervals"]
    rows = [["return", coloured(stats["return_pct"], 2, " %"), between(bounds["return_pct"], 2, " %")]]
    for name, words, unit in RATIOS:
        shown = figure(stats[name], 0 if name in COUNTS else 2, unit)
        rows.append([words, shown, between(bounds[name], 2, unit) if name in bounds else ""])
    deflated = stats["deflated_sharpe"]
    rows.append(
        [f"deflated Sharpe ratio, {stats['trials']} tried", NOTHING if deflated is None else percent(deflated), ""]
    )
    return table(("", "", "95 % interval"), rows)


def costs(row: Row) -> str:
    unknown = f", {row['model_cost_unknown']} of unknown cost" if row["model_cost_unknown"] else ""
    return table(
        ("", ""),
        (
            ("realised, fees and funding not counted", coloured(row["realised"])),
            ("fees", coloured(-float(row["fees"]))),
            ("funding", coloured(row["funding"])),
            ("borne by the venue", figure(row["insolvency"])),
            (f"model, USD ({row['model_calls']} calls{unknown})", figure(row["model_cost_usd"], 4)),
        ),
    )


def grouped(groups: Mapping[str, Row], head: str) -> str:
    rows = (
        (told(name), str(row["trades"]), coloured(row["pnl"]), figure(row["fees"]), coloured(row["funding"]))
        for name, row in groups.items()
    )
    return table((head, "trades", "profit", "fees", "funding"), rows)


def right(judged: Row) -> str:
    named = {"all entries": judged["accuracy"], **judged["by_action"]}
    rows = ([told(name), *(_share(row[horizon]) for horizon in ("1h", "4h", "24h"))] for name, row in named.items())
    return table(("right after", "1 h", "4 h", "24 h"), rows)


def calibrated(told_of: Row) -> str:
    rows = (
        (
            f"{row['low']:.0f}–{row['high']:.0f} %",
            str(row["decisions"]),
            percent(row["confidence"]),
            percent(row["hit_rate"]),
        )
        for row in told_of["table"]
    )
    return table(("confidence", "entries", "mean", "right after 4 h"), rows)


def months(equity: HourlyEquity) -> str:
    """Returns by month, a row a year."""
    years: dict[int, dict[int, float]] = {}
    for (year, month), value in periods(equity, lambda at: (at.year, at.month)):
        years.setdefault(year, {})[month] = value
    names = [datetime(2000, month, 1).strftime("%b") for month in range(1, 13)]  # noqa: DTZ001 - a month's name
    shown = [n for n in range(1, 13) if any(n in row for row in years.values())]
    rows = ([str(year), *(coloured(row.get(n), 2, " %") for n in shown)] for year, row in sorted(years.items()))
    return table(("", *(names[n - 1] for n in shown)), rows)


def daily(equity: HourlyEquity) -> str:
    """Returns of each day, for runs of about a month."""
    rows = ((f"{day:%a %d %b}", coloured(value, 2, " %")) for day, value in periods(equity, lambda at: at.date()))
    return table(("day", "return"), rows)


def periods(equity: HourlyEquity, of: Callable[[datetime], Any]) -> Iterator[tuple[Any, float]]:
    """Percent from the end of one period to that of the next. A point closes the hour before it: the one at midnight,
    or just after it, is the last of the day that ends."""
    opening = last = equity.values[0]
    current = of(equity.times[0])
    for at, value in zip(equity.times[1:], equity.values[1:], strict=True):
        if (period := of(at - HALF_AN_HOUR)) != current:
            yield current, (last / opening - 1) * 100
            opening, current = last, period
        last = value
    yield current, (last / opening - 1) * 100


def _share(row: Row) -> str:
    if row["share"] is None:
        return NOTHING
    return f"{percent(row['share'])} of {row['decisions']:,} ({row['low'] * 100:.0f}–{percent(row['high'])})"


def overview(rows: Sequence[Row]) -> str:
    heads = ("account", "strategy", "return", "deepest fall", "Sharpe", "trades", "win rate", "fees", "funding")
    return table(heads, (_overview(row) for row in rows))


def _overview(row: Row) -> Sequence[str]:
    stats = row["statistics"]
    return (
        told(row["account_id"]),
        told(row["strategy_id"]),
        coloured(row["return_pct"], 2, " %"),
        figure(stats["max_drawdown_pct"], 2, " %"),
        figure(stats["sharpe"]),
        str(stats["trades"]),
        figure(stats["win_rate_pct"], 0, " %"),
        figure(row["fees"]),
        coloured(row["funding"]),
    )
