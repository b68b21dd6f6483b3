"""Runs a replay in this process, and shows how far it is."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from cli.errors import CliError
from cli.project import SHARED_DATA, shown
from cli.run.seed import read_accounts, read_strategies, read_venue
from libs.schemas.account import Account
from libs.schemas.strategy import TradingStrategy
from replay.altering import SettingError, changed, setting_of
from replay.data import DataError, Stretch, read_market
from replay.engine import ReplayInput
from replay.lookahead import check_lookahead
from replay.parquet import write_parquet
from replay.policy import PolicyError, policy_of
from replay.report.page import write_report
from replay.results import OtherRun, RunFolder
from replay.run import ReplayProgress, ReplayRun, asked, copies
from services.feed.domain.recorded import RecordedMarket

TELL_S = 2.0


@dataclass(frozen=True, slots=True)
class ReplayWishes:
    """As they were typed."""

    data: Path | None
    since: str | None
    until: str | None
    symbols: str | None
    strategy: str | None
    policy: str
    accounts: int
    seed: int = 0
    settings: Sequence[str] = ()


def replay(wishes: ReplayWishes, out: Path, *, full: bool, parquet: bool = False) -> None:
    """Raises CliError."""
    if parquet and find_spec("pyarrow") is None:
        raise CliError("Parquet needs pyarrow", "install the extra `replay`, or leave --parquet out")
    folder = wishes.data or SHARED_DATA
    wanted = _input(wishes, _market(wishes, folder))
    try:
        results = RunFolder(out, asked(wanted, folder))
    except OtherRun as error:
        raise CliError(f"{error}", "name another folder, or remove this one") from error
    if results.complete:
        raise CliError(f"{shown(out)} holds this run, and it is complete", "name another folder, or remove this one")
    run = ReplayRun(results, wanted, full=full)
    try:
        _follow(run)
    except KeyboardInterrupt:
        raise CliError(f"{shown(out)} keeps what is done", "the same command goes on from there", code=130) from None
    except OtherRun as error:
        raise CliError(f"{error}", "the code or the policy has changed since: name another folder") from error
    except PolicyError as error:
        raise CliError(str(error), "correct the policy") from error
    write_report(out)
    if parquet:
        write_parquet(out)
    _say(run, out)


def replay_quietly(wishes: ReplayWishes, out: Path) -> Mapping[str, Any]:
    """The summary of a run that is made to its end, or was before. Raises CliError."""
    folder = wishes.data or SHARED_DATA
    wanted = _input(wishes, _market(wishes, folder))
    try:
        results = RunFolder(out, asked(wanted, folder))
        if results.complete:
            return results.summary()
        run = ReplayRun(results, wanted)
        for _ in run.steps():
            pass
    except (OtherRun, PolicyError) as error:
        raise CliError(f"{error}", "name another folder, or remove this one") from error
    write_report(out)
    return run.summary


def look_ahead(wishes: ReplayWishes, cuts: int) -> None:
    """Raises CliError where a decision changed with its future."""
    market = _market(wishes, wishes.data or SHARED_DATA)
    report = None
    for report in check_lookahead(lambda played: _input(wishes, played), market, cuts):
        typer.echo(f"{report.compared} decisions compared, {report.futures} futures", err=True)
    if report is None:
        raise CliError("nothing was decided: there is nothing to compare", "take a longer stretch")
    peek = report.peek
    if peek is None:
        typer.echo(f"no decision changed: {report.compared} compared over {report.futures} other futures")
        return
    who = "the context had changed: this is a fault of Perpetua" if peek.own else "its context had not changed"
    typer.echo(f"before: {peek.before}\nafter:  {peek.after}")
    raise CliError(
        f"{peek.account_id} decides otherwise at {peek.at:%Y-%m-%d %H:%M:%S} when what follows"
        f" {peek.since:%Y-%m-%d %H:%M:%S} is {peek.future}; {who}",
        "the policy uses what was not known then",
    )


def _market(wishes: ReplayWishes, folder: Path) -> RecordedMarket:
    stretch = Stretch(_time(wishes.since, "--from"), _time(wishes.until, "--to"))
    names = [name.strip() for name in (wishes.symbols or "").split(",") if name.strip()]
    try:
        return read_market(folder, names, stretch)
    except DataError as error:
        raise CliError(str(error), "see docs/data.md") from error


def _input(wishes: ReplayWishes, market: RecordedMarket) -> ReplayInput:
    try:
        policy = policy_of(wishes.policy)
    except PolicyError as error:
        raise CliError(str(error), "see docs/replay.md") from error
    try:
        settings = [setting_of(text) for text in wishes.settings]
        known = read_strategies()
        accounts = changed(_accounts(wishes.strategy, market.symbols, known), "account", settings)
        used = {account.strategy_id for account in accounts}
        strategies = changed([each for each in known if each.strategy_id in used], "strategy", settings)
        venue = changed(read_venue(), "venue", settings)
    except SettingError as error:
        raise CliError(str(error), "see docs/replay.md") from error
    return ReplayInput(market, copies(accounts, wishes.accounts, wishes.seed), strategies, venue, policy)


def _accounts(strategy: str | None, symbols: Sequence[str], known: Sequence[TradingStrategy]) -> list[Account]:
    accounts = read_accounts(symbols=symbols)
    if strategy is None:
        return accounts
    if strategy not in {each.strategy_id for each in known}:
        there = ", ".join(each.strategy_id for each in known)
        raise CliError(f"there is no strategy {strategy!r}", f"there are {there}")
    own = next((account for account in accounts if account.strategy_id == strategy), accounts[0])
    return [own.model_copy(update={"account_id": strategy, "name": strategy, "strategy_id": strategy})]


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(f"{option} {text!r} is no time", "write it like 2026-03-01 or 2026-03-01T12:00") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _follow(run: ReplayRun) -> None:
    """A bar on a terminal, else a line now and then."""
    began = told = time.monotonic()
    bar = sys.stderr.isatty()
    for progress in run.steps():
        now = time.monotonic()
        if now - told < (0.2 if bar else TELL_S):
            continue
        told = now
        text = _line(progress, now - began)
        typer.echo(f"\r\x1b[K{text}" if bar else text, err=True, nl=not bar)
    if bar:
        typer.echo("\r\x1b[K", err=True, nl=False)


def _line(progress: ReplayProgress, elapsed: float) -> str:
    rate = progress.done / elapsed if elapsed else 0.0
    left = timedelta(seconds=round((progress.of - progress.done) / rate)) if rate else "unknown"
    share = progress.done / progress.of if progress.of else 1.0
    return f"{progress.at:%Y-%m-%d %H:%M}  {share:4.0%}  {rate:,.0f} candles/s  {left} left"


def _verdict(told: Mapping[str, Any]) -> str:
    if told["mean_bps"] is None:
        return str(told["verdict"])
    between = f"{told['mean_bps']:+.2f} bps an hour, 95 % between {told['low_bps']:+.2f} and {told['high_bps']:+.2f}"
    more = f"; about {told['hours_more']} more hours would tell" if told["hours_more"] else ""
    return f"{told['verdict']} ({between}{more})"


def _say(run: ReplayRun, out: Path) -> None:
    for row in run.summary["accounts"]:
        typer.echo(
            f"{row['account_id']}: {float(row['equity']):,.2f} of {float(row['initial_balance']):,.2f}"
            f" ({row['return_pct']:+.2f} %), fees {float(row['fees']):,.2f}, funding {float(row['funding']):+,.2f},"
            f" deepest fall {row['max_drawdown_pct']:.2f} %"
        )
        for name, words in (
            ("against_flat", "holding nothing"),
            ("against_equal_weight", "holding all in equal parts"),
        ):
            typer.echo(f"  beside {words}: {_verdict(row[name])}")
    baselines, counts = run.summary["baselines"], run.summary["counts"]
    typer.echo(f"holding all in equal parts: {baselines['equal_weight']:+.2f} %, before fees and funding")
    typer.echo(f"{counts.get('decisions', 0)} decisions, {counts.get('trades', 0)} trades")
    typer.echo(f"results in {shown(out)}, to be read: report.html")
