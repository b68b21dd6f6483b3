"""One run: servers that answer, streams and accounts in place, workers supervised, the bus observed."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from cli.ask.board import DecisionRow, Screen, ServerRow, WorkerRow
from cli.ask.observe import Observer, lag_of
from cli.connection import connected
from cli.embedded.kind import without_credentials
from cli.embedded.ports import is_free, pick
from cli.embedded.servers import ServerInfo, Servers
from cli.errors import CliError
from cli.project import place, shown
from cli.run.access import ensure_api_key, write_token
from cli.run.keeper import Keeper
from cli.run.phases import Phases
from cli.run.plan import Plan
from cli.run.seed import read_all, seed
from cli.run.supervised import SupervisedWorker, exit_words
from cli.run.supervisor import Supervisor, make_workers
from cli.runfile import RunFile, WorkerEntry, load
from cli.screen.summary import Summary
from libs.records.key_store import KeyStore, carry_over
from libs.records.provision import provision
from libs.runtime.bus import Bus
from libs.runtime.ending import end
from libs.runtime.mongo import Database
from libs.runtime.provision import provision_nats
from libs.runtime.settings import MongoSettings
from libs.schemas.rights import PUBLISHER

REFRESH_S = 0.5
NOTE_EVERY_S = 5.0
MIB = 1024 * 1024
Say = Callable[[str], None]


def choose_gateway_port(plan: Plan, env: Mapping[str, str]) -> int:
    """The port asked for, else that of the last run, else any that is free. CliError when it is taken."""
    if asked := env.get("PERPETUA_GATEWAY_PORT"):
        if not asked.isdigit() or not 0 < int(asked) < 65_536:
            raise CliError("PERPETUA_GATEWAY_PORT is not a port", "take a number from 1 to 65535")
        if not is_free(int(asked)):
            raise CliError(f"port {asked} (PERPETUA_GATEWAY_PORT) is taken", "take another one, or unset the variable")
        return int(asked)
    before = load(plan.state.run_file)
    last = before.gateway_url.rpartition(":")[2] if before else ""
    return int(last) if last.isdigit() and is_free(int(last)) else pick(1)[0]


@dataclasses.dataclass(frozen=True, slots=True)
class RunListener:
    """Who runs, and who is listener: a line for each thing that happened, the rows of each decision."""

    command: str
    say: Say
    decided: Callable[[list[DecisionRow]], None] = lambda rows: None


class RunSession:
    """A run under way. `board` is kept up to date from `start` on."""

    def __init__(
        self,
        plan: Plan,
        bus: Bus,
        servers: Servers,
        infos: Mapping[str, ServerInfo],
        env: Mapping[str, str],
        listener: RunListener,
    ) -> None:
        self._plan = plan
        self._infos = infos
        self._run = RunFile.of_this_process(listener.command)
        self._saved: RunFile | None = None
        self.board = Screen(plan.market, "", shown(plan.state.api_key), plan.speed)
        self.board.servers = [
            ServerRow(one.name, one.version, without_credentials(one.url), one.source) for one in infos.values()
        ]
        self.keeper = Keeper(servers, listener.say)
        port = choose_gateway_port(plan, env)
        self.board.gateway_url = f"http://127.0.0.1:{port}"
        workers = make_workers(plan, lambda user: addresses(infos, user), env, gateway_port=port)
        self.supervisor = Supervisor(workers, said=listener.say)
        self.observer = Observer(
            bus, self.board, plan.symbols, on_decision=listener.decided, place=place(plan.state.folder)
        )
        self._run.market, self._run.speed = plan.market, plan.speed
        self._run.gateway_url = self.board.gateway_url
        self._run.api_key_file = str(plan.state.api_key)
        self._run.servers = {name: info.told() for name, info in infos.items()}
        self._begin = time.monotonic()
        self._refresher: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._begin = time.monotonic()
        self.supervisor.start()
        self.keeper.start()
        self._refresher = asyncio.create_task(self._refresh_always(), name="refresh")

    async def until_ready(self, note: Callable[[str], None]) -> None:
        """`note` takes what is waited for, when that has changed, every few seconds."""
        noting = asyncio.create_task(self._note(note), name="start-notes")
        try:
            await self.supervisor.until_ready()
        finally:
            await end([noting])
        self._begin = time.monotonic()
        self._run.phase = "ready"
        self.refresh()

    async def _note(self, note: Callable[[str], None]) -> None:
        said = ""
        while True:
            await asyncio.sleep(NOTE_EVERY_S)
            if (text := self.supervisor.waited_for) != said:
                note(said := text)

    @property
    def elapsed_s(self) -> float:
        """Seconds since all workers were ready."""
        return time.monotonic() - self._begin

    async def stop(self) -> None:
        """End the workers, then everything that looks at them."""
        self._run.phase = "stopping"
        if self._refresher is not None:
            await end([self._refresher])
        self.refresh()
        await self.keeper.stop()
        await self.supervisor.stop()
        await self.observer.stop()

    def summary(self) -> Summary:
        """Of this run, as of now."""
        rss: dict[str, list[float]] = {}
        for row, worker in zip(self.board.workers, self.supervisor.workers, strict=True):
            rss.setdefault(worker.name, []).append(row.rss_mib or 0.0)
        return Summary(
            dataclasses.replace(self.board.counts),
            self.board.restarts,
            self.board.gateway_url,
            str(self._plan.state.api_key),
            {name: {"version": one.version, "url": without_credentials(one.url)} for name, one in self._infos.items()},
            {name: {"replicas": len(sizes), "rss_mib": round(max(sizes), 1)} for name, sizes in rss.items()},
            self._plan.market,
            self.observer.money(),
        )

    def refresh(self) -> None:
        """Bring board and run file up to date with the processes."""
        self.board.workers = [_row(worker, self.observer.lags) for worker in self.supervisor.workers]
        self.board.restarts = self.supervisor.restarts + sum(self.keeper.restarts.values())
        self.board.elapsed_s = self.elapsed_s
        self._run.workers = [_entry(worker) for worker in self.supervisor.workers]
        if self._run != self._saved:
            with contextlib.suppress(OSError):  # a full disk is the servers' trouble first
                self._run.save(self._plan.state.run_file)
            self._saved = dataclasses.replace(self._run)

    async def _refresh_always(self) -> None:
        while True:
            self.refresh()
            await asyncio.sleep(REFRESH_S)


@asynccontextmanager
async def session(
    plan: Plan,
    servers: Servers,
    infos: Mapping[str, ServerInfo],
    *,
    env: Mapping[str, str],
    phases: Phases,
    listener: RunListener,
) -> AsyncIterator[RunSession]:
    """Provision, seed, start all workers and wait for them; stop them at the end, whatever it is."""
    async with connected(infos["nats"].url) as bus:
        started = {"PERPETUA_SESSION": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", **env}
        made = RunSession(plan, bus, servers, infos, started, listener)
        database = Database(infos["mongodb"].url, MongoSettings().mongodb_db)
        try:
            with phases.step("streams and indexes"):
                await asyncio.gather(provision_nats(bus.js), provision(database.db))
            with phases.step("accounts, strategies") as step:
                written = await seed(bus, read_all(plan.symbols, plan.state.config), plan.state.seeded)
                keys = KeyStore(bus)
                await carry_over(database.db, keys)
                await ensure_api_key(keys, plan.state.api_key)
                write_token(plan.state.publisher_url, infos["nats"].url_of(PUBLISHER))
                _remember_market(plan)
                step.detail = f"{len(written)} of them new or changed" if written else "as they were"
            with phases.step("workers") as step:
                await made.observer.start()  # before the workers: the whole chain of each decision is counted
                made.start()
                await made.until_ready(step.note)
                step.detail = f"{len(made.supervisor.workers)} ready, {made.board.gateway_url}"
            yield made
        finally:
            await made.stop()
            await database.stop()


def _remember_market(plan: Plan) -> None:
    plan.state.market.write_text(f"{plan.series}\n")


def addresses(infos: Mapping[str, ServerInfo], user: str) -> dict[str, str]:
    """Of each server as `user`, where it has users of ours."""
    return {name: info.url_of(user) for name, info in infos.items()}


def _row(worker: SupervisedWorker, lags: Mapping[str, int]) -> WorkerRow:
    rss = worker.rss_bytes()
    note = worker.unready_because
    if worker.state == "waiting" and worker.last_exit is not None:
        note = f"{exit_words(worker.last_exit)}, again in {max(0.0, worker.due - time.monotonic()):.0f} s"
    return WorkerRow(
        worker.instance,
        worker.state,
        worker.restarts,
        lag_of(worker.name, lags),
        rss / MIB if rss is not None else None,
        note,
    )


def _entry(worker: SupervisedWorker) -> WorkerEntry:
    """Without figures that change all the time: the file is written when something happens."""
    note = exit_words(worker.last_exit) if worker.last_exit is not None else ""
    pid = worker.child.pid if worker.child else None
    return WorkerEntry(worker.instance, pid, worker.port, worker.state, worker.restarts, note)
