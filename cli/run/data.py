"""Folders of candles, shown and made."""

from collections.abc import Sequence
from pathlib import Path

import typer

from cli.errors import CliError
from cli.project import SHARED_DATA, shown
from replay.data import DataError
from replay.folders import convert, held

SEE = "see docs/data.md"


def show(folder: Path | None, *, gaps: bool) -> None:
    """Raises CliError."""
    try:
        for each in held(folder or SHARED_DATA):
            missing = sum(count for _, count in each.gaps)
            typer.echo(
                f"{each.symbol}: {each.minutes:,} minutes, {each.start:%Y-%m-%d %H:%M} to {each.end:%Y-%m-%d %H:%M},"
                f" {len(each.gaps)} gaps of {missing:,} minutes, {each.fundings} fundings"
            )
            for begin, count in each.gaps if gaps else ():
                typer.echo(f"  {count:,} minutes are missing from {begin:%Y-%m-%d %H:%M}")
    except DataError as error:
        raise CliError(str(error), SEE) from error


def converted(files: Sequence[Path], out: Path, symbol: str | None, columns: str) -> None:
    """Raises CliError."""
    named = dict(_pair(part) for part in columns.split(",") if part.strip())
    try:
        for each in convert(files, out, symbol, named):
            typer.echo(f"{shown(each.path)}: {each.rows:,} rows of {each.sources} files")
    except DataError as error:
        raise CliError(str(error), SEE) from error


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not equals:
        raise CliError(f"--columns {text!r} names no pair", "write it like open_time=Date,volume=Vol")
    return ours.strip(), theirs.strip()
