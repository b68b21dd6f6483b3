"""Start and end the system: demo, up, down."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Data, StateDir
from cli.errors import CliError
from cli.project import STATE, StateFolder, place, shown

Symbols = Annotated[
    str | None, typer.Option(help="Comma-separated, e.g. BTCUSDT,ETHUSDT.", show_default="the accounts'")
]
Speed = Annotated[
    float, typer.Option(envvar="PERPETUA_SPEED", show_envvar=False, help="Market seconds per second of wall time.")
]
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
