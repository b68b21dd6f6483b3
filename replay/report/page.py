"""The report of a run: one file that needs nothing beside it, for a screen, a phone, and paper."""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from replay.report import tables
from replay.report.charts import ChartLine, fall_chart, line_chart
from replay.report.decisions import NO_PROMPT, DecisionList
from replay.report.folder import Row, RunRead, read_run
from replay.report.market import fills_legend, market_chart
from replay.report.text import coloured, figure, paragraph, section, told
from replay.report.words import account_in_words, market_in_words
from replay.statistics import equal_weight

REPORT = "report.html"
DETAILED = 6  # accounts that are shown whole
SHORT_DAYS = 45
CSS = Path(__file__).with_name("report.css")


def write_report(folder: Path) -> Path:
    """Of a complete run; raises NoRun. The same run gives the same bytes."""
    made = folder / f"{REPORT}.new"
    made.write_text(report(read_run(folder)), encoding="utf-8")
    return made.replace(folder / REPORT)


def report(run: RunRead) -> str:
    accounts = run.accounts[:DETAILED]
    decisions = DecisionList(run)
    parts = [_head(run), _overview(run), _curves(run)]
    parts += [_account(run, row) for row in accounts]
    parts += [_decisions(run, row, decisions) for row in accounts]
    return page(f"Replay {run.name}", "".join(parts))


def page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{told(title)}</title><style>{CSS.read_text(encoding='utf-8')}</style></head><body>{body}</body></html>\n"
    )


def _head(run: RunRead) -> str:
    asked = run.asked
    counts = run.summary["counts"]
    start, end = (datetime.fromisoformat(asked[name]) for name in ("from", "to"))
    return (
        f"<h1>Replay {told(run.name)}</h1><p class='muted'>{start:%d %B %Y %H:%M} to {end:%d %B %Y %H:%M} UTC,"
        f" {told(', '.join(asked['market']))}; policy {told(asked['policy'])}; {run.summary['candles']:,} candles,"
        f" {counts.get('decisions', 0):,} decisions, {counts.get('trades', 0):,} trades.</p>"
    )


def _overview(run: RunRead) -> str:
    shown = run.accounts[:DETAILED]
    told_rows = "".join(
        (f"<h3>{told(row['account_id'])}</h3>" if len(shown) > 1 else "")
        + "".join(paragraph(sentence) for sentence in account_in_words(row))
        for row in shown
    )
    market = paragraph(market_in_words(run.summary["baselines"]), "muted")
    return section("What this run allows to say", told_rows, market) + section(
        "Accounts", tables.overview(run.accounts)
    )


def _curves(run: RunRead) -> str:
    times = next(iter(run.equity.values())).times
    lines = [
        ChartLine(row["account_id"], _percent(run.equity[row["account_id"]].values), n)
        for n, row in enumerate(run.accounts[:DETAILED])
    ]
    lines.append(ChartLine("holding all in equal parts", _percent(equal_weight(run.prices)), DETAILED, baseline=True))
    lines.append(ChartLine("holding nothing", [0.0] * len(times), DETAILED, baseline=True))
    return section("Equity against baselines", line_chart(times, lines))


def _account(run: RunRead, row: Row) -> str:
    name, stats, equity = row["account_id"], row["statistics"], run.equity[row["account_id"]]
    span = equity.times[-1] - equity.times[0]
    by_time = tables.months(equity) + (tables.daily(equity) if span.days <= SHORT_DAYS else "")
    judged = row["judged"]
    return "".join(
        (
            section(f"{name}: figures", _cards(row), tables.ratios(stats)),
            section(f"{name}: below its peak", fall_chart(equity.times, falls(equity.values))),
            section(f"{name}: by time", by_time),
            section(f"{name}: costs", tables.costs(row)),
            section(f"{name}: by asset, action and way out", *(_grouped(stats))),
            section(
                f"{name}: entries",
                tables.right(judged),
                "<h3>Confidence</h3>",
                tables.calibrated(judged["calibration"]),
            ),
            _markets(run, name),
        )
    )


def _grouped(stats: Row) -> Sequence[str]:
    named = (("by_asset", "asset"), ("by_action", "side"), ("by_reason", "closed by"))
    return [f"<h3>By {head}</h3>{tables.grouped(stats[name], head)}" for name, head in named]


def _cards(row: Row) -> str:
    stats = row["statistics"]
    shown = (
        ("return", coloured(row["return_pct"], 2, " %")),
        ("equity", figure(row["equity"])),
        ("deepest fall", figure(stats["max_drawdown_pct"], 2, " %")),
        ("Sharpe ratio", figure(stats["sharpe"])),
        ("trades", str(stats["trades"])),
        ("win rate", figure(stats["win_rate_pct"], 0, " %")),
        ("fees", figure(row["fees"])),
        ("funding", coloured(row["funding"])),
    )
    cards = "".join(f"<div><small>{name}</small><b>{value}</b></div>" for name, value in shown)
    return f'<div class="cards">{cards}</div>'


def _markets(run: RunRead, account_id: str) -> str:
    fills = run.fills.get(account_id, ())
    charts = "".join(
        f"<h3>{told(row['symbol'])}, candles of {_size(row['minutes'])}</h3>"
        + market_chart(row, [fill for fill in fills if fill["symbol"] == row["symbol"]])
        for row in run.candles
    )
    return section(f"{account_id}: markets", fills_legend(), charts)


def _size(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h" if minutes < 1_440 else f"{minutes // 1_440} d"


def _decisions(run: RunRead, row: Row, decisions: DecisionList) -> str:
    silent = "" if run.calls else f"<p class='muted'>{NO_PROMPT}</p>"
    return section(f"{row['account_id']}: decisions", silent, decisions.of(row["account_id"]))


def falls(values: Sequence[float]) -> list[float]:
    """Percent below the highest so far."""
    return [(peak - value) / peak * 100 for value, peak in zip(values, accumulate(values, max), strict=True)]


def _percent(values: Sequence[float]) -> list[float]:
    return [(value / values[0] - 1) * 100 for value in values]
