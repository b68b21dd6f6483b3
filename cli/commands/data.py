"""`perpetua data`: folders of candles. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(help="Folders of candles and funding.", no_args_is_help=True)
DataFolder = Annotated[Path | None, typer.Argument(help="The folder.", show_default="the project's")]


@data_app.command("list")
def data_list(folder: DataFolder = None) -> None:
    """Symbols, from when to when, and how many gaps."""
    from cli.run.data import show

    show(folder, gaps=False)


@data_app.command("check")
def data_check(folder: DataFolder = None) -> None:
    """Read every row, and name each gap; ends with 1 where something cannot be played."""
    from cli.run.data import show

    show(folder, gaps=True)


@data_app.command("convert")
def data_convert(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Of Binance, freqtrade, or any CSV.")],
    out: Annotated[Path, typer.Option("--out", help="Folder that is written to.")],
    symbol: Annotated[str | None, typer.Option(help="Of all the files.", show_default="from their names")] = None,
    columns: Annotated[str, typer.Option(help="Ours to theirs, e.g. open_time=Date,volume=Vol.")] = "",
) -> None:
    """Make a folder that a replay, `demo` and `up` can play."""
    from cli.run.data import converted

    converted(files, out, symbol, columns)
