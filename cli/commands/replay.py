"""`perpetua replay`: the same code over history. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

replay_app = typer.Typer(help="The same code over history, without servers.", no_args_is_help=True)


@replay_app.command("run")
def replay_run(
    out: Annotated[Path, typer.Option("--out", help="Folder of the results.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of <symbol>-1m.csv.gz candles.", show_default="the project's")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="First day, e.g. 2026-03-01, or a time.", show_default="after 10 days of history"),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Up to here.", show_default="the end of the data")] = None,
    symbols: Annotated[
        str | None, typer.Option(help="Comma-separated, e.g. BTCUSDT,ETHUSDT.", show_default="all that there are")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="One account with this strategy.", show_default="the accounts of config/")
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", "--model", help="builtin/trend, or module:function.")
    ] = "builtin/trend",
    accounts: Annotated[int, typer.Option(min=1, max=10_000, help="Copies of each account.")] = 1,
    full: Annotated[bool, typer.Option("--full", help="Keep contexts, proposals and ends whole.")] = False,
) -> None:
    """Replay a market; Ctrl-C keeps what is done, and the same command goes on."""
    from importlib.util import find_spec

    if find_spec("talib") is None:
        from cli.errors import CliError

        raise CliError(
            "a replay needs what the context worker needs", "install the group `context` too, or `make setup`"
        )
    from cli.run.replaying import ReplayWishes, replay

    wishes = ReplayWishes(out, data, since, until, symbols, strategy, policy, accounts, full)
    replay(wishes)
