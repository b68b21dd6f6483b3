"""The commands. Each imports what it needs when it runs: `perpetua --version` shall be quick."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands import acts
from cli.commands.account import account_app
from cli.commands.archive import archive_app
from cli.commands.config import config_app
from cli.commands.context import context_app
from cli.commands.control import control
from cli.commands.dead import dead_app
from cli.commands.deployment import make_secrets, provision
from cli.commands.experiment import experiment_app, show_usage
from cli.commands.history import add_to as add_history
from cli.commands.key import key_app
from cli.commands.models import models_app
from cli.commands.notify import notify_app
from cli.commands.options import StateDir
from cli.commands.prompt import prompt_app
from cli.commands.strategy import strategy_app
from cli.errors import CliError
from cli.project import STATE, StateFolder, place, shown

PIPED_WIDTH = 120

app = typer.Typer(
    help="Event-driven decision engine for perpetual futures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
RUN, LOOK, TRADE, MODELS = "Run", "Look", "Trade", "Models"

Symbols = Annotated[
    str | None, typer.Option(help="Comma-separated, e.g. BTCUSDT,ETHUSDT.", show_default="the accounts'")
]
Speed = Annotated[
    float, typer.Option(envvar="PERPETUA_SPEED", show_envvar=False, help="Market seconds per second of wall time.")
]
Data = Annotated[Path | None, typer.Option(help="Folder of <symbol>-1m.csv.gz candles.", show_default=False)]
Feed = Annotated[
    str | None,
    typer.Option(
        envvar="PERPETUA_FEED",
        show_envvar=False,
        help="replay, synthetic, ccxt or none.",
        show_default="replay where there are candles",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(envvar="PERPETUA_SEED", show_envvar=False, help="Seed of the synthetic market.", show_default=False),
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"perpetua {version('perpetua')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    return


@app.command(rich_help_panel=RUN)
def demo(
    speed: Speed = 60.0,
    data: Data = None,
    symbols: Symbols = None,
    seconds: Annotated[
        float | None,
        typer.Option("--for", help="Seconds to run, from all workers ready on.", show_default="until Ctrl-C"),
    ] = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Plain lines instead of the live view.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the summary to this file.", show_default=False)
    ] = None,
    state_dir: StateDir = STATE,
    feed: Feed = None,
    seed: Seed = None,
) -> None:
    """Trade a replayed or made-up market on paper, with servers of its own, and watch it."""
    import os

    from cli.run.demo import RunWishes, run_here
    from cli.run.plan import make_plan

    plan = make_plan(state=state_dir, env=os.environ, feed=feed, data=data, speed=speed, symbols=symbols, seed=seed)
    view = not no_ui and sys.stdout.isatty()
    run_here(plan, RunWishes("demo", seconds, view, json_file=json_file))


@app.command(rich_help_panel=RUN)
def up(
    replicas: Annotated[
        str, typer.Option(help="Copies of workers, e.g. decider=3,context=2.", show_default=False)
    ] = "",
    feed: Feed = None,
    speed: Speed = 60.0,
    symbols: Symbols = None,
    data: Data = None,
    seed: Seed = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and end by Ctrl-C.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Start everything in the background; returns when all workers are ready."""
    import os

    from cli.run.plan import check_market, make_plan

    plan = make_plan(
        state=state_dir,
        env=os.environ,
        feed=feed,
        data=data,
        speed=speed,
        symbols=symbols,
        replicas=replicas,
        seed=seed,
    )
    if foreground:
        from cli.run.demo import RunWishes, run_here

        run_here(plan, RunWishes("up", decisions=False))
        return
    from cli.run.background import start_detached
    from cli.run.preflight import check

    check_market(plan)
    check(plan, os.environ, lambda note: None)  # what runs in the background says its notes itself
    arguments = ["--state-dir", str(plan.state.folder), "--speed", f"{speed:g}", "--feed", plan.feed]
    arguments += ["--symbols", ",".join(plan.symbols)]
    arguments += [
        part
        for name, value in (("--data", plan.data if data else None), ("--replicas", replicas or None), ("--seed", seed))
        if value is not None
        for part in (name, str(value))
    ]
    start_detached(plan.state, arguments, typer.echo)
    where = place(plan.state.folder)
    typer.echo(f"running in the background; `perpetua status{where}` shows it, `perpetua down{where}` ends it")


@app.command(rich_help_panel=RUN)
def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Remove all data, logs and keys too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """End what runs in the background."""
    from cli.run import background

    state = StateFolder(state_dir.resolve())
    if wipe and not yes:
        if not sys.stdin.isatty():
            raise CliError("--wipe removes all data and asks before", "add --yes")
        typer.confirm(f"remove everything in {shown(state.folder)}?", abort=True)
    found = background.stop(state)
    typer.echo(f"ended (process {found.pid})" if found else "nothing was running")
    if wipe:
        background.wipe(state)
        typer.echo(f"removed {shown(state.folder)}")


@app.command(rich_help_panel=TRADE)
def flatten(
    account: Annotated[str, typer.Option(help="The account's id.")],
    direct: Annotated[bool, typer.Option("--direct", help="At the venue itself, without NATS and MongoDB.")] = False,
    venue: Annotated[str | None, typer.Option(help="aster or binanceusdm.", show_default="the account's")] = None,
    credential: Annotated[
        str | None, typer.Option(help="Name of its credential.", show_default="the account's")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="The venue's demo trading.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Cancel all orders and close all positions of a live account. Exit code 1 when something is left."""
    import asyncio
    import os

    from cli.ask.flatten import close_all, find_way

    if not direct:
        raise CliError(
            "flatten works at the venue itself", "add --direct; a running executor takes `perpetua control flatten`"
        )
    way = find_way(account, venue, credential, demo)
    if not yes and not sys.stdin.isatty():
        raise CliError("flatten closes everything and asks before", "add --yes")
    if not yes:
        typer.confirm(f"cancel ALL orders and close ALL positions of {way.credential} at {way.venue}?", abort=True)
    left = asyncio.run(close_all(way, os.environ, typer.echo))
    if not left.flat:
        raise CliError(
            f"still open: {', '.join((*left.positions, *left.orders))}",
            "run it again; else close them on the exchange's own site",
        )
    typer.echo("flat: no orders, no positions")


@app.command(rich_help_panel=LOOK)
def status(state_dir: StateDir = STATE) -> None:
    """What runs, and how it is doing. Exit code 1 when something is not well."""
    import asyncio

    from rich.console import Console

    from cli.ask.status import look
    from cli.screen.status_view import render

    console = Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
    found = asyncio.run(look(StateFolder(state_dir.resolve())))
    console.print(render(found, console.width))
    if not found.healthy:
        raise typer.Exit(1)


@app.command(rich_help_panel=LOOK)
def market(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
    state_dir: StateDir = STATE,
) -> None:
    """Symbols, prices and their age, candles, gaps and differences, and how far context workers lag behind."""
    import asyncio

    from rich.console import Console

    from cli.ask.address import nats_url
    from cli.ask.market import look
    from cli.runfile import running
    from cli.screen.market_view import render

    run = running(StateFolder(state_dir.resolve()).run_file)
    found = asyncio.run(look(nats_url(state_dir), run.workers if run else ()))
    if as_json:
        typer.echo(found.as_json())
        return
    console = Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
    console.print(render(found))


@app.command(rich_help_panel=LOOK)
def doctor(
    data: Data = None,
    state_dir: StateDir = STATE,
) -> None:
    """Check this machine and the configuration, and say what to do. Exit code 1 when something would not work."""
    import os

    from cli.run.doctor import examine

    failed = False
    for finding in examine(StateFolder(state_dir.resolve()), os.environ, data):
        typer.echo(finding.line())
        failed |= finding.level == "fail"
    if failed:
        raise typer.Exit(1)


@app.command(rich_help_panel=LOOK)
def schemas(
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the files to.", show_default="list their names")
    ] = None,
) -> None:
    """The JSON Schemas of all messages."""
    from libs.schemas.export import documents

    made = documents()
    if out is None:
        for name in made:
            typer.echo(name)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (out / name).write_text(text)
    except OSError as error:
        raise CliError(f"cannot write to {out}: {error.strerror}", "name another folder") from error
    typer.echo(f"{len(made)} schemas in {shown(out)}")


app.command("secrets", rich_help_panel=RUN)(make_secrets)
app.command("provision", rich_help_panel=RUN)(provision)
add_history(app, LOOK)
app.add_typer(dead_app, name="dead", rich_help_panel=LOOK)
app.add_typer(archive_app, name="archive", rich_help_panel=LOOK)
app.add_typer(notify_app, name="notify", rich_help_panel=LOOK)
app.command("control", rich_help_panel=TRADE)(control)
acts.add_to(app, TRADE)
app.add_typer(account_app, name="account", rich_help_panel=TRADE)
app.add_typer(strategy_app, name="strategy", rich_help_panel=TRADE)
app.add_typer(config_app, name="config", rich_help_panel=TRADE)
app.add_typer(key_app, name="key", rich_help_panel=TRADE)
app.add_typer(models_app, name="models", rich_help_panel=MODELS)
app.add_typer(context_app, name="context", rich_help_panel=MODELS)
app.add_typer(prompt_app, name="prompt", rich_help_panel=MODELS)
app.add_typer(experiment_app, name="experiment", rich_help_panel=MODELS)
app.command("usage", rich_help_panel=MODELS)(show_usage)
