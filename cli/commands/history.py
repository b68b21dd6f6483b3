"""`perpetua performance`, `trades`, `positions`, `orders`, `alerts`, `decisions`, `logs`.

Exit codes of all of them: 0 when it is told, also where there is nothing; 1 when nothing runs, or it is refused; 2 for
a wrong option.
"""

import csv
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.options import StateDir
from cli.project import STATE, StateFolder

if TYPE_CHECKING:
    from cli.ask.history import Rows

Account = Annotated[str | None, typer.Option("--account", help="Of one account.", show_default="all")]
AsJson = Annotated[bool, typer.Option("--json", help="Everything, for programs.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="The table as CSV.")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="Rows at most, newest first.")]
Over = Annotated[str, typer.Option("--over", help="1d, 7d, 30d or all: of the statistics in --json.")]


def _told(found: "Rows", as_json: bool, as_csv: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.items))
    elif as_csv:
        table = csv.writer(sys.stdout)
        table.writerow(found.columns)
        table.writerows(found.rows)
    elif not found.rows:
        typer.echo(found.none)
    else:
        from cli.screen.tables import say

        say(found.columns, found.rows)


def performance(
    account: Account = None,
    over: Over = "30d",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    state_dir: StateDir = STATE,
) -> None:
    """Wallet of each account, without the profit of open positions (`context show` tells equity, with it), its return,
    fees, funding, trades, win rate and drawdown."""
    from cli.ask import history
    from cli.ask.api import Api

    _told(history.performance(Api(state_dir), account, over), as_json, as_csv)


def trades(
    account: Account = None,
    limit: Limit = 30,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    state_dir: StateDir = STATE,
) -> None:
    """Closed trades, newest first: profit net of fees and funding, and why the last part was closed."""
    from cli.ask import history
    from cli.ask.api import Api

    _told(history.trades(Api(state_dir), account, limit), as_json, as_csv)


def positions(
    account: Account = None, as_json: AsJson = False, as_csv: AsCsv = False, state_dir: StateDir = STATE
) -> None:
    """Open positions with their stop, target and liquidation price."""
    from cli.ask import history
    from cli.ask.api import Api
    from cli.ask.ticks import tick_sizes

    sizes = tick_sizes(StateFolder(state_dir.resolve()).config)
    _told(history.positions(Api(state_dir), account, sizes), as_json, as_csv)


def orders(
    account: Account = None,
    limit: Limit = 30,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    state_dir: StateDir = STATE,
) -> None:
    """Orders, newest first, with what became of them."""
    from cli.ask import history
    from cli.ask.api import Api

    _told(history.orders(Api(state_dir), account, limit), as_json, as_csv)


def alerts(limit: Limit = 30, as_json: AsJson = False, as_csv: AsCsv = False, state_dir: StateDir = STATE) -> None:
    """What a person should look at, newest first."""
    from cli.ask import history
    from cli.ask.api import Api

    _told(history.alerts(Api(state_dir), limit), as_json, as_csv)


def decisions(
    decision: Annotated[str | None, typer.Argument(metavar="[ID]", help="One of them.", show_default=False)] = None,
    account: Account = None,
    limit: Limit = 30,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    state_dir: StateDir = STATE,
) -> None:
    """Decisions, newest first; of one: why it was made, what the rules said, and what came of it."""
    from cli.ask import history
    from cli.ask.api import Api

    if decision is None:
        _told(history.decisions(Api(state_dir), account, limit), as_json, as_csv)
        return
    record, lines = history.decision(Api(state_dir), decision)
    typer.echo(json.dumps(record) if as_json else "\n".join(lines))


def logs(
    worker: Annotated[str, typer.Argument(help="A worker (decider, decider-2), nats, mongodb, redis or supervisor.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    count: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="So many of the last lines.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Lines as they were written.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """The last lines of a worker's log, as sentences."""
    from cli.ask.logs import find, following, last
    from cli.run.workers import WORKERS

    log = find(state_dir, worker, tuple(WORKERS))
    for line in last(log, count, raw=as_json):
        typer.echo(line)
    if follow:
        for line in following(log, raw=as_json):
            typer.echo(line)


def add_to(app: typer.Typer, panel: str) -> None:
    for command in (performance, trades, positions, orders, decisions, alerts, logs):
        app.command(command.__name__, rich_help_panel=panel)(command)
