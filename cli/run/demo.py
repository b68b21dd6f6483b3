"""`perpetua demo`, and the foreground of `perpetua up`: a run from start to summary."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.ask.api import page_address
from cli.ask.board import DecisionRow, decision_line
from cli.embedded.servers import ServerInfo, Servers
from cli.errors import CliError
from cli.files import read_token
from cli.project import shown
from cli.run.page import missing_page, page_line
from cli.run.phases import READY, Phases
from cli.run.plan import Plan, check_market
from cli.run.preflight import check as check_before
from cli.run.session import RunListener, RunSession, session
from cli.run.signals import Interrupts
from cli.runfile import running
from cli.screen.summary import Summary

QUIET_S = 10.0
DRAW_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class RunWishes:
    """How a run is shown and when it ends. `seconds` counts from all workers ready; None is until a signal."""

    command: str
    seconds: float | None = None
    view: bool = False
    decisions: bool = True
    json_file: Path | None = None


def say(line: str) -> None:
    """Print a line. When whoever reads our output has gone (`| head`), the run ends as by Ctrl-C."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        os.kill(os.getpid(), signal.SIGTERM)


def run_here(plan: Plan, wishes: RunWishes, env: Mapping[str, str] = os.environ) -> None:
    """Everything of one run in this process; returns when it ended as wished. KeyboardInterrupt during the start."""
    _check(plan, wishes, env)
    phases = Phases(say)
    with Interrupts() as interrupts:
        servers = Servers(plan.state.folder, env=env)
        try:
            with phases.step("servers") as step:
                infos = servers.start()
                step.detail = ", ".join(f"{one.name} {one.version}" for one in infos.values())
            for note in servers.notes:
                say(note)
            interrupts.run(_run(plan, wishes, servers, infos, phases, env))
        finally:
            interrupts.close()
            servers.stop()


def _check(plan: Plan, wishes: RunWishes, env: Mapping[str, str]) -> None:
    if wishes.seconds is not None and wishes.seconds <= 0:
        raise CliError(f"--for {wishes.seconds:g} is no time", "give seconds above 0")
    if wishes.json_file is not None and not wishes.json_file.resolve().parent.is_dir():
        raise CliError(f"--json: {wishes.json_file.resolve().parent} is not a folder", "make it first")
    if (found := running(plan.state.run_file)) is not None:
        raise CliError(
            f"`perpetua {found.command}` runs here already (process {found.pid})",
            "`perpetua status` shows it, `perpetua down` ends it; or take another --state-dir",
        )
    check_market(plan)
    check_before(plan, env, say)


class _Teller:
    """A line per decision, and one with the counts after each ten seconds without any."""

    def __init__(self, wishes: RunWishes) -> None:
        self._wishes = wishes
        self._quiet_s = QUIET_S if wishes.decisions else 60.0
        self._spoke = time.monotonic()
        self._telling = False

    def decided(self, rows: list[DecisionRow]) -> None:
        if self._telling and self._wishes.decisions and rows:
            say(decision_line(rows))
            self._spoke = time.monotonic()

    async def tell(self, run: RunSession) -> None:
        self._telling, self._spoke = True, time.monotonic()
        seconds = self._wishes.seconds
        while seconds is None or run.elapsed_s < seconds:
            if time.monotonic() - self._spoke >= self._quiet_s:
                c = run.board.counts
                say(f"{run.elapsed_s:.0f} s: {c.ticks:,} ticks, {c.contexts:,} contexts, {c.decisions:,} decisions")
                self._spoke = time.monotonic()
            left = 0.5 if seconds is None else seconds - run.elapsed_s
            await asyncio.sleep(max(0.0, min(0.5, left)))


async def _run(
    plan: Plan,
    wishes: RunWishes,
    servers: Servers,
    infos: Mapping[str, ServerInfo],
    phases: Phases,
    env: Mapping[str, str],
) -> None:
    teller = _Teller(wishes)
    listener = RunListener(wishes.command, _quiet if wishes.view else say, teller.decided)
    async with session(plan, servers, infos, env=env, phases=phases, listener=listener) as run:
        say(_ready_line(plan, run, phases))
        if wishes.command == "demo":
            say(await _page_line(plan, run))
        for account in run.observer.accounts():
            if account.standing:
                say(f"{account.account} {account.standing}; {account.way_back}")
        try:
            await _until_end(run, wishes, teller)
        except asyncio.CancelledError:  # a signal is how a run without an end of its own ends
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
        elapsed = run.elapsed_s
        await run.observer.settle()
        run.refresh()
        summary = run.summary()
    _report(summary, elapsed, wishes)
    if wishes.command == "demo" and (missing := missing_page()):
        say(f"there was no page in the browser: {missing}")


def _ready_line(plan: Plan, run: RunSession, phases: Phases) -> str:
    market = {"real": f"real candles from {plan.data}", "synthetic": "synthetic market (made up, seeded)"}
    where = market.get(plan.market, "no market of its own: wall time, publish ticks yourself")
    places = (
        f"API {run.board.gateway_url}, key in {run.board.api_key_file}; publishers: {shown(plan.state.publisher_url)}"
    )
    return f"{READY} {phases.total:.1f} s; {where}; {places}"


async def _page_line(plan: Plan, run: RunSession) -> str:
    """Where the page is, signed in by its first opening. A demo goes on without one."""
    token = read_token(plan.state.api_key)
    try:
        run.board.page = await asyncio.to_thread(page_address, run.board.gateway_url, token or "")
    except CliError as error:
        return f"the page in the browser: {run.board.gateway_url} ({error})"
    return page_line(run.board.page, missing_page())


async def _until_end(run: RunSession, wishes: RunWishes, teller: _Teller) -> None:
    if wishes.view:
        await _draw(run, wishes.seconds)
    else:
        await teller.tell(run)


async def _draw(run: RunSession, seconds: float | None) -> None:
    from rich.console import Console
    from rich.live import Live

    from cli.screen.view import render

    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while seconds is None or run.elapsed_s < seconds:
            run.board.left_s = None if seconds is None else seconds - run.elapsed_s
            run.refresh()
            live.update(render(run.board, width=console.width, height=console.height), refresh=True)
            left = DRAW_EVERY_S if seconds is None else min(DRAW_EVERY_S, seconds - run.elapsed_s)
            await asyncio.sleep(max(0.0, left))


def _report(summary: Summary, elapsed: float, wishes: RunWishes) -> None:
    for line in summary.lines(elapsed):
        say(line)
    if wishes.json_file is None:
        return
    try:
        wishes.json_file.write_text(json.dumps(summary.as_json(), indent=2) + "\n")
    except OSError as error:
        raise CliError(
            f"--json: cannot write {shown(wishes.json_file)}: {error.strerror}", "name another file"
        ) from error


def _quiet(line: str) -> None:
    return
