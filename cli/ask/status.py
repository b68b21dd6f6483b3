"""`perpetua status`: what runs, and how it is doing, asked of the processes and of the bus."""

import asyncio
from dataclasses import dataclass, field

import psutil

from cli.ask.board import Screen, ServerRow, WorkerRow
from cli.ask.observe import Observer, lag_of
from cli.connection import connected
from cli.embedded.kind import without_credentials
from cli.errors import CliError
from cli.files import known_symbols
from cli.probe import get
from cli.project import StateFolder, place, shown
from cli.runfile import RunFile, WorkerEntry, running

MIB = 1024 * 1024


@dataclass(slots=True)
class Status:
    """What was found out. `bus_error` says why the bus could not be asked."""

    run: RunFile
    board: Screen
    lags: dict[str, int] = field(default_factory=dict)
    bus_error: str = ""
    publisher_url: str = ""
    place: str = ""
    """What commands need to find this run."""

    @property
    def healthy(self) -> bool:
        return not self.bus_error and all(row.state == "ready" for row in self.board.workers)


async def look(state: StateFolder) -> Status:
    """CliError when nothing runs."""
    run = running(state.run_file)
    if run is None:
        raise CliError("nothing runs here", "start it by `perpetua up` or `perpetua demo`")
    board = Screen(run.market, run.gateway_url, shown(state.api_key), run.speed)
    board.servers = [
        ServerRow(name, one["version"], without_credentials(one["url"]), one["source"])
        for name, one in run.servers.items()
    ]
    status = Status(run, board, publisher_url=shown(state.publisher_url), place=place(state.folder))
    try:
        await _ask_bus(status, known_symbols(state.config))
    except CliError as error:
        status.bus_error = error.message
    board.workers = list(await asyncio.gather(*(_worker(entry, status.lags) for entry in run.workers)))
    board.restarts = sum(entry.restarts for entry in run.workers)
    return status


async def _ask_bus(status: Status, symbols: tuple[str, ...]) -> None:
    if "nats" not in status.run.servers:
        raise CliError(f"the run is {status.run.phase}: no servers yet", "ask again in a moment")
    async with connected(status.run.servers["nats"]["url"]) as bus:
        observer = Observer(bus, status.board, symbols, place=status.place)
        try:
            await observer.look_once()
        finally:
            await observer.stop()
        status.lags = observer.lags


async def _worker(entry: WorkerEntry, lags: dict[str, int]) -> WorkerRow:
    answer = await get(entry.ops_port, "/ready") if entry.pid else None
    state = "ready" if answer and answer[0] == 200 else "unready" if entry.pid else entry.state
    note = entry.note if answer is None else "" if answer[0] == 200 else answer[1].strip()
    try:
        rss: float | None = psutil.Process(entry.pid).memory_info().rss / MIB if entry.pid else None
    except psutil.Error:
        rss = None
    pid = f" (pid {entry.pid})" if entry.pid else ""
    return WorkerRow(
        entry.instance + pid, state, entry.restarts, lag_of(entry.instance.rpartition("-")[0], lags), rss, note
    )
