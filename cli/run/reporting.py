"""Reports of runs that are done: of one, and of several side by side."""

from collections.abc import Sequence
from pathlib import Path

import typer

from cli.errors import CliError
from cli.project import shown
from replay.compare import NotComparable, compare
from replay.report.folder import NoRun, read_run
from replay.report.page import write_report
from replay.report.side_by_side import comparison_in_words, comparison_page


def report_again(folder: Path) -> None:
    """Raises CliError."""
    try:
        typer.echo(f"wrote {shown(write_report(folder))}")
    except NoRun as error:
        raise CliError(f"{error}", "run it to its end: perpetua replay run --out") from error


def side_by_side(folders: Sequence[Path], out: Path | None) -> None:
    """Raises CliError."""
    if len(folders) < 2:
        raise CliError("one run alone has nothing beside it", "name two folders or more")
    try:
        comparison = compare([read_run(folder) for folder in folders])
    except NoRun as error:
        raise CliError(f"{error}", "run it to its end: perpetua replay run --out") from error
    except NotComparable as error:
        raise CliError(f"{error}", "name runs of the same time") from error
    for account in comparison.accounts:
        row = account.row
        fees = f"fees {float(row['fees']):,.2f}, funding {float(row['funding']):+,.2f}"
        typer.echo(f"{account.name}: {row['return_pct']:+.2f} %, {row['statistics']['trades']} trades, {fees}")
    for sentence in comparison_in_words(comparison):
        typer.echo(sentence)
    if out is not None:
        out.write_text(comparison_page(comparison), encoding="utf-8")
        typer.echo(f"wrote {shown(out)}")
