"""Tables that fit the terminal: what does not is shortened in its last column, and otherwise at the end of a field."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 160
LEFT = frozenset(
    {"at", "closed", "made", "opened", "account", "symbol", "side", "leg", "type", "state", "status", "why"}
)
LEFT_TOO = frozenset({"actions", "kind", "severity", "reason", "route", "by", "quiet"})


def say(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print it. In a pipe it is as wide as it needs to be."""
    console = Console() if sys.stdout.isatty() else Console(width=max(PIPED_WIDTH, _wide(columns, rows)))
    console.print(made(columns, rows))


def made(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="grey50", show_edge=False)
    for n, name in enumerate(columns):
        last = n == len(columns) - 1
        table.add_column(
            name,
            justify="left" if name in LEFT | LEFT_TOO or last else "right",
            no_wrap=not last,
            overflow="fold" if last else "ellipsis",
        )
    for row in rows:
        table.add_row(*(Text(field) for field in row))
    return table


def _wide(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    return sum(max(len(row[n]) for row in (columns, *rows)) + 1 for n in range(len(columns)))
