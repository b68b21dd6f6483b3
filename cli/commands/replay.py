"""`perpetua replay`: the same code over history. Each command imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.groups import whole

replay_app = typer.Typer(help="The same code over history, without servers.", no_args_is_help=True)
Folder = Annotated[
    Path | None, typer.Option("--data", help="Folder of <symbol>-1m.csv.gz candles.", show_default="the project's")
]
Since = Annotated[
    str | None,
    typer.Option("--from", help="First day, e.g. 2026-03-01, or a time.", show_default="after 10 days of history"),
]
Until = Annotated[str | None, typer.Option("--to", help="Up to here.", show_default="the end of the data")]
Symbols = Annotated[
    str | None, typer.Option(help="Comma-separated, e.g. BTCUSDT,ETHUSDT.", show_default="all that there are")
]
OneStrategy = Annotated[
    str | None,
    typer.Option("--strategy", help="One account with this strategy.", show_default="those of config/"),
]
Policy = Annotated[str, typer.Option("--policy", "--model", help="builtin/trend, recorded:DIR, or module:function.")]

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Another figure, e.g. strategy.max_positions=2; account., strategy. or venue.", show_default=False
    ),
]


@replay_app.command("run")
def replay_run(
    out: Annotated[Path, typer.Option("--out", help="Folder of the results.")],
    data: Folder = None,
    since: Since = None,
    until: Until = None,
    symbols: Symbols = None,
    strategy: OneStrategy = None,
    policy: Policy = "builtin/trend",
    accounts: Annotated[int, typer.Option(min=1, max=10_000, help="Copies of each account.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=99_999, help="Moves when in its interval each account is asked.")] = 0,
    settings: Settings = None,
    full: Annotated[bool, typer.Option("--full", help="Keep contexts, proposals and ends whole.")] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="Also tables as Parquet.")] = False,
) -> None:
    """Replay a market; Ctrl-C keeps what is done, and the same command goes on."""
    whole("a replay")
    from cli.run.replaying import ReplayWishes, replay

    replay(
        ReplayWishes(data, since, until, symbols, strategy, policy, accounts, seed, settings or ()),
        out,
        full=full,
        parquet=parquet,
    )


@replay_app.command("report")
def replay_report(folder: Annotated[Path, typer.Argument(help="Folder of a complete run.")]) -> None:
    """Write report.html of a run anew."""
    from cli.run.reporting import report_again

    report_again(folder)


@replay_app.command("compare")
def replay_compare(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of complete runs; the first is what others are beside.")
    ],
    out: Annotated[Path | None, typer.Option("--out", help="A page of it, e.g. compare.html.")] = None,
) -> None:
    """Put runs side by side, and say whether a difference shows."""
    from cli.run.reporting import side_by_side

    side_by_side(folders, out)


@replay_app.command("sweep")
def replay_sweep(
    out: Annotated[Path, typer.Option("--out", help="Folder of the runs, one folder each.")],
    data: Folder = None,
    since: Since = None,
    until: Until = None,
    symbols: Symbols = None,
    strategies: Annotated[str, typer.Option(help="Comma-separated; none: the accounts of config/.")] = "",
    policies: Annotated[str, typer.Option(help="Comma-separated.")] = "builtin/trend",
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="So many, from 0 on.")] = 1,
    vary: Annotated[
        list[str] | None, typer.Option("--vary", help="A figure's values, e.g. strategy.max_positions=1,2,3.")
    ] = None,
    splits: Annotated[int, typer.Option(min=0, max=100, help="Of the time, to walk forward by; 0: not.")] = 4,
    jobs: Annotated[int, typer.Option(min=0, max=256, help="Processes.", show_default="one a core")] = 0,
) -> None:
    """Run each with each, and say what the best is worth; the same command goes on."""
    whole("a replay")
    import os

    from cli.run.replaying import ReplayWishes
    from cli.run.sweeping import SweepWishes, sweep

    shared = ReplayWishes(data, since, until, symbols, None, policies, 1)
    names: list[str | None] = [name for name in strategies.split(",") if name] or [None]
    varied = {path: values.split(",") for path, _, values in (text.partition("=") for text in vary or ())}
    wanted = SweepWishes(shared, names, policies.split(","), seeds, varied, splits)
    sweep(wanted, out, jobs or os.cpu_count() or 1)


@replay_app.command("check-lookahead")
def replay_check_lookahead(
    data: Folder = None,
    since: Since = None,
    until: Until = None,
    symbols: Symbols = None,
    strategy: OneStrategy = None,
    policy: Policy = "builtin/trend",
    cuts: Annotated[int, typer.Option(min=1, max=1_000, help="Moments from which on the future is changed.")] = 5,
) -> None:
    """Cut, shift and scramble the future, and demand equal decisions; ends with 1 where one changed."""
    whole("a replay")
    from cli.run.replaying import ReplayWishes, look_ahead

    look_ahead(ReplayWishes(data, since, until, symbols, strategy, policy, 1), cuts)
