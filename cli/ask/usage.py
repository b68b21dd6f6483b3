"""`perpetua usage`: what the models were asked, and what it cost."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from cli.ask.records import history
from cli.errors import CliError
from libs.analytics.usage import usage
from libs.records.decided import calls
from libs.schemas.analytics import CostLine, UsageMetrics

_SINCE = re.compile(r"([1-9]\d{0,3})([hd])")


def span(text: str) -> timedelta:
    """`24h`, `7d`. Raises CliError for anything else."""
    found = _SINCE.fullmatch(text)
    if found is None:
        raise CliError(f"{text!r} is no period", "write it like 24h or 7d")
    return timedelta(**{"hours" if found[2] == "h" else "days": int(found[1])})


async def used(state_dir: Path, since: timedelta, account: str | None, model: str | None) -> UsageMetrics:
    """Of the period that ends now, in market time."""
    async with history(state_dir) as run:
        begin = run.now - since
        found = await calls(run.db, begin, frozenset([account]) if account else None, model)
        newest = max((call.at for call in found), default=run.now)  # a market that stands still was ahead of its clock
        return usage(found, begin, max(newest, run.now) + timedelta(seconds=1))


def lines(found: UsageMetrics) -> Iterator[str]:
    yield f"{found.period_start:%Y-%m-%d %H:%M} to {found.period_end:%Y-%m-%d %H:%M} UTC, market time"
    failed = ", ".join(f"{name} {count}" for name, count in found.failed.items())
    yield "days are UTC days of wall time, as those of budgets"
    yield f"calls {found.requests}: {found.ok} ok" + (f"; {failed}" if failed else "")
    times = (found.latency_p50_ms, found.latency_p95_ms, found.latency_p99_ms)
    yield "latency p50, p95, p99: " + ", ".join("unknown" if one is None else f"{one:,.0f} ms" for one in times)
    yield (
        f"tokens in {found.prompt_tokens:,} ({found.cached_tokens:,} cached), out {found.completion_tokens:,} "
        f"({found.reasoning_tokens:,} reasoning); unknown of {found.tokens_unknown} calls"
    )
    yield f"cost {_dollars(found.cost_total, found.cost_unknown)}"
    if found.cost_of_shadows is not None:
        yield f"of it for shadow arms {_dollars(found.cost_of_shadows, 0)}"
    parts = {
        "model": found.per_model,
        "account": found.per_account,
        "strategy": found.per_strategy,
        "session": found.per_session,
        "UTC day": found.per_day,
    }
    for name, rows in parts.items():
        yield from _table(name, rows)


def _table(name: str, rows: Mapping[str, CostLine]) -> Iterator[str]:
    for key, row in rows.items():
        cost = _dollars(row.cost_usd, row.unknown)
        yield f"{name:<9} {key:<40} {row.calls:>7} calls  {row.tokens:>12,} tokens  {cost}"


def _dollars(known: float | None, unknown: int) -> str:
    said = "unknown" if known is None else f"${known:,.4f}"
    return f"{said}, and {unknown} calls of unknown cost" if unknown and known is not None else said
