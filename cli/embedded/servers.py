"""Starts and stops the three servers that a run needs."""

import atexit
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from cli.embedded import mongo, nats, redis
from cli.embedded.access import ADMIN, Access, remembered_passwords
from cli.embedded.binaries import Binary, find
from cli.embedded.errors import ServerError
from cli.embedded.kind import Kind, version_behind
from cli.embedded.ports import pick
from cli.embedded.process import Child, stop_stale
from cli.embedded.state import Lock, Remembered, load, save

KINDS = (nats.KIND, mongo.KIND, redis.KIND)
_START_TIMEOUT_S = 60.0
_POLL_S = 0.01
_TRIES = 5
_PORT_TAKEN = ("address already in use", "addrinuse")


@dataclass(frozen=True)
class ServerInfo:
    """A server that answers. `pid` None when somebody else runs it (source "url")."""

    name: str
    version: str
    url: str
    pid: int | None
    source: Literal["url", "path", "bundled"]
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By user, where the server has users of ours; `url` is the administrator's."""

    def url_of(self, user: str) -> str:
        return self.urls.get(user, self.url)

    def told(self) -> dict[str, Any]:
        """What may be written down of it: no user's password but the administrator's."""
        return {"name": self.name, "version": self.version, "url": self.url, "pid": self.pid, "source": self.source}


@dataclass
class _Run:
    """A child of ours with what it takes to start it again."""

    kind: Kind
    binary: Binary
    ports: list[int]
    child: Child


class Servers:
    """The servers of one run, with their data, logs and ports in `state_dir`.

    `env` is where URLs and PATH are looked up; `use_urls` and `use_path` switch these off. With `users` each server
    asks who its clients are, by passwords of this folder. Not thread-safe. All methods block; `start` takes about a
    second. After `start`, `notes` holds a line for each server that was passed over.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        env: Mapping[str, str] = os.environ,
        use_urls: bool = True,
        use_path: bool = True,
        users: bool = True,
    ) -> None:
        self._dir = state_dir.resolve()
        self._env = env
        self._use_urls = use_urls
        self._use_path = use_path
        self._users = users
        self._access = {kind.name: Access() for kind in KINDS}
        self._lock = Lock(self._dir / "servers.lock")
        self._state_file = self._dir / "servers.json"
        self._remembered: dict[str, Remembered] = {}
        self._runs: dict[str, _Run] = {}
        self.notes: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> dict[str, ServerInfo]:
        """Start what no URL is set for, and wait until all answer and mongod is primary.

        Keys "nats", "mongodb", "redis". ServerError when one cannot be had; none is left running then.
        """
        try:
            self._dir.mkdir(parents=True, exist_ok=True)
            self._lock.take()
            atexit.register(self.stop)
            return self._start_all()
        except OSError as error:
            self.stop()
            raise ServerError(f"cannot use {self._dir}: {error}", "check that the folder is writable") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """SIGTERM to all at once, SIGKILL to what is left after 5 s. Idempotent."""
        for run in self._runs.values():
            run.child.signal(signal.SIGTERM)
        for run in self._runs.values():
            run.child.stop()
            self._remembered[run.kind.name].pid = None
        if self._runs:
            save(self._state_file, self._remembered)
        self._runs.clear()
        self._lock.release()
        atexit.unregister(self.stop)

    def restart(self, name: str, *, kill: bool = False) -> ServerInfo:
        """End one server (`kill`: by SIGKILL) and start it on the same port and data; also starts one that ended."""
        run = self._run(name)
        if kill:
            run.child.kill()
        else:
            run.child.stop()
        run.child = self._spawn(run.kind, run.binary, run.ports)
        return self._wait(run)

    def poll(self) -> dict[str, int | None]:
        """Return code per child process, None for one that runs; negative when a signal ended it."""
        return {name: run.child.poll() for name, run in self._runs.items()}

    def signal(self, name: str, sig: int) -> None:
        """Send a signal to one of our servers."""
        self._run(name).child.signal(sig)

    def log_path(self, name: str) -> Path:
        """Where the server's output goes; the file exists once it was started."""
        return self._dir / f"{name}.log"

    def _run(self, name: str) -> _Run:
        if name not in self._runs:
            raise ServerError(f"{name} is not a server of this run", f"running here: {', '.join(self._runs) or 'none'}")
        return self._runs[name]

    def _start_all(self) -> dict[str, ServerInfo]:
        self._remembered = load(self._state_file)
        if self._users:
            self._access = self._passwords()
        self._stop_stale()
        given = {kind.name: self._env.get(kind.variable, "").strip() for kind in KINDS if self._use_urls}
        outside = {
            kind.name: ServerInfo(kind.name, version_behind(kind, url), url, None, "url")
            for kind in KINDS
            if (url := given.get(kind.name))
        }
        ours = [kind for kind in KINDS if kind.name not in outside]
        binaries = {kind.name: self._find(kind) for kind in ours}
        for kind in ours:  # all are started before any is waited for
            self._launch(kind, binaries[kind.name])
        started = {kind.name: self._until_ready(kind) for kind in ours}
        return {kind.name: outside.get(kind.name) or started[kind.name] for kind in KINDS}

    def _passwords(self) -> dict[str, Access]:
        passwords = remembered_passwords(
            self._dir / "passwords.json", {**{kind.name: kind.users for kind in KINDS}, "replica set": ["key"]}
        )
        key, database = passwords["replica set"]["key"], self._env.get("PERPETUA_MONGODB_DB") or "perpetua"
        return {kind.name: Access(passwords[kind.name], key, database) for kind in KINDS}

    def _stop_stale(self) -> None:
        for kind in KINDS:
            before = self._remembered.get(kind.name)
            if before and before.pid and stop_stale(before.pid, kind.program, self._home(kind)):
                self.notes.append(f"a {kind.program} of a former run (process {before.pid}) was stopped")

    def _find(self, kind: Kind) -> Binary:
        found = find(kind, self._env, use_path=self._use_path)
        self.notes.extend(found.notes)
        return found.binary

    def _home(self, kind: Kind) -> Path:
        return self._dir / kind.name

    def _launch(self, kind: Kind, binary: Binary) -> None:
        """Start on the ports of the last run when they are free, else on new ones."""
        before = self._remembered.get(kind.name, Remembered())
        ports = pick(kind.port_count, before.ports)
        self._runs[kind.name] = _Run(kind, binary, ports, self._spawn(kind, binary, ports))

    def _spawn(self, kind: Kind, binary: Binary, ports: list[int]) -> Child:
        home = self._home(kind)
        home.mkdir(exist_ok=True)
        argv = kind.argv(binary.path, home, ports, self._access[kind.name])
        child = Child(argv, self.log_path(kind.name), {**self._env, **binary.env})
        self._remembered[kind.name] = Remembered(ports, child.pid)
        save(self._state_file, self._remembered)
        return child

    def _until_ready(self, kind: Kind) -> ServerInfo:
        """Wait for a launched server, and launch it again elsewhere when another program took its port meanwhile."""
        for _ in range(_TRIES):
            run = self._runs[kind.name]
            while not run.child.ended_within(_POLL_S):
                if run.child.listens_on(run.ports):
                    return self._wait(run)
            if not _port_was_taken(run.child):
                break
            self._launch(kind, run.binary)
        return self._wait(self._runs[kind.name])

    def _wait(self, run: _Run) -> ServerInfo:
        """Wait until it listens and is fit for use. ServerError when it ends or takes more than 60 s instead."""
        kind, child, deadline = run.kind, run.child, time.monotonic() + _START_TIMEOUT_S
        while not child.listens_on(run.ports):
            if child.ended_within(_POLL_S) or time.monotonic() > deadline:
                raise self._failure(run, "does not listen")
        access, port = self._access[kind.name], run.ports[0]
        try:
            version = kind.settle(port, access)
        except (OSError, ValueError) as error:
            raise self._failure(run, f"is not fit for use: {error}") from error
        urls = {user: kind.url(port, access.login(user), access) for user in access.passwords}
        url = urls.get(ADMIN) or kind.url(port, "", access)
        return ServerInfo(kind.name, version, url, child.pid, run.binary.source, urls)

    def _failure(self, run: _Run, what: str) -> ServerError:
        code = run.child.poll()
        if code is not None:
            what = f"ended with code {code}: {run.kind.last_words(run.child.output())[-300:]}"
        return ServerError(
            f"{run.kind.program} {what}", f"see {run.child.log}; `perpetua down --wipe` starts with an empty state"
        )


def _port_was_taken(child: Child) -> bool:
    output = child.output().lower()
    return any(words in output for words in _PORT_TAKEN)
