"""`perpetua doctor`: would it run here, and if not, what to do. Keys are named, never shown."""

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cli.ask.deciders import Silence, ToldByDecider, ask_all
from cli.embedded import ServerError
from cli.embedded.binaries import find, version_of
from cli.embedded.kind import version_behind, without_credentials
from cli.embedded.ports import is_free
from cli.embedded.servers import KINDS
from cli.embedded.state import load as load_servers
from cli.errors import CliError
from cli.files import known_symbols
from cli.probe import get
from cli.project import CONFIG, SHARED_DATA, StateFolder, shown
from cli.run.plan import make_plan
from cli.run.variables import invalid_settings, known_variables, mistyped
from cli.runfile import RunFile, running
from services.decider.domain.authentication import WRONG

Level = Literal["ok", "warn", "fail"]
LITTLE_BYTES, TOO_LITTLE_BYTES = 5 * 1024**3, 1024**3
KEYS = {"OPENROUTER_API_KEY": "models of OpenRouter", "LLM_API_KEY": "another OpenAI-compatible model"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and what to do unless it is fine."""

    level: Level
    what: str
    found: str
    todo: str = ""

    def line(self) -> str:
        said = f"{self.level:<5} {self.what:<12} {self.found}"
        return f"{said}: {self.todo}" if self.todo else said


def examine(state: StateFolder, env: Mapping[str, str], data: Path | None = None) -> Iterator[Finding]:
    """All findings, each as soon as it is known. `env` is the process's own environment."""
    run = running(state.run_file)
    yield _python()
    yield from _servers(env)
    yield _instance(state, run)
    yield from _market(run)
    yield from _ports(state, env, run)
    yield from _settings(env)
    yield from _config(env)
    yield _data(state, env, data)
    yield from _keys(env) if run is None else deciders(asyncio.run(ask_all(state.folder)))
    yield _disk(state)


def _python() -> Finding:
    found = f"{platform.python_version()} in {sys.prefix}"
    if (3, 11) <= sys.version_info[:2] < (3, 13):
        return Finding("ok", "python", found)
    return Finding("fail", "python", found, "use Python 3.11 or 3.12 (`make setup PYTHON=python3.11`)")


def _servers(env: Mapping[str, str]) -> Iterator[Finding]:
    for kind in KINDS:
        try:
            if url := env.get(kind.variable, "").strip():
                version = version_behind(kind, url)
                yield Finding("ok", kind.name, f"{version} at {without_credentials(url)} ({kind.variable})")
                continue
            found = find(kind, env)
        except ServerError as error:
            yield Finding("fail", kind.name, error.message, error.hint)
            continue
        version = version_of(found.binary.path, found.binary.env) or "unknown version"
        for note in found.notes:
            yield Finding("warn", kind.name, note, f"remove it or upgrade it; {found.binary.source} is used")
        yield Finding("ok", kind.name, f"{version}, {found.binary.source} ({found.binary.path})")


def _instance(state: StateFolder, run: RunFile | None) -> Finding:
    if run is None:
        return Finding("ok", "instance", f"nothing runs in {shown(state.folder)}")
    return Finding(
        "ok", "instance", f"`perpetua {run.command}` runs (process {run.pid}, {run.phase}), {run.gateway_url}"
    )


def _market(run: RunFile | None) -> Iterator[Finding]:
    """What the context workers do not follow, as they say themselves."""
    from cli.ask.market import left_out_of

    workers = [one for one in run.workers if one.instance.startswith("context")] if run is not None else []
    for worker in workers:
        answer = asyncio.run(get(worker.ops_port, "/health"))
        known = left_out_of(answer[1] if answer else None)
        if known is None:
            yield Finding("warn", "market", f"{worker.instance} does not say what it follows", "see `perpetua status`")
        elif known.count:
            shown_names = ", ".join(known.names[:5]) + (", …" if known.count > 5 else "")
            todo = "accounts' symbols are followed always; for more of the others raise PERPETUA_MAX_SYMBOLS"
            found = f"{worker.instance} follows {known.followed} symbols and leaves out {known.count}: {shown_names}"
            yield Finding("warn", "market", found, todo)
        else:
            yield Finding("ok", "market", f"{worker.instance} follows {known.followed} symbols, none is left out")


def _ports(state: StateFolder, env: Mapping[str, str], run: RunFile | None) -> Iterator[Finding]:
    if run is not None:
        return
    port = env.get("PERPETUA_GATEWAY_PORT", "")
    if port.isdigit() and 0 < int(port) < 65_536 and not is_free(int(port)):
        yield Finding("fail", "ports", f"PERPETUA_GATEWAY_PORT {port} is taken", "take another one, or unset it")
        return
    remembered = [port for one in load_servers(state.folder / "servers.json").values() for port in one.ports]
    taken = [str(port) for port in remembered if not is_free(port)]
    if taken:
        yield Finding("warn", "ports", f"{', '.join(taken)} of the last run are taken", "others will be chosen")
    else:
        yield Finding("ok", "ports", "all that are wanted are free")


def _settings(env: Mapping[str, str]) -> Iterator[Finding]:
    wrong = 0
    for key, meant in mistyped(env, known_variables()):
        wrong += 1
        yield Finding("fail", "settings", f"{key} is not a setting", f"did you mean {meant}?" if meant else "unset it")
    for line in invalid_settings(env):
        wrong += 1
        yield Finding("fail", "settings", line, "correct or unset that variable")
    if not wrong:
        yield Finding(
            "ok", "settings", f"{sum(key.startswith('PERPETUA_') for key in env)} PERPETUA_ variables are set"
        )


def _config(env: Mapping[str, str]) -> Iterator[Finding]:
    from cli.run.seed import read_all
    from services.decider.application.models_file import load as load_models
    from services.decider.domain.catalogue import CatalogueError

    try:
        count = len(read_all(known_symbols()))
    except CliError as error:
        yield Finding("fail", "config", error.message, error.hint)
    else:
        yield Finding("ok", "config", f"{count} accounts, strategies and symbols in {shown(CONFIG)} are valid")
    try:
        load_models(Path(env.get("PERPETUA_CONFIG_DIR", CONFIG)))
    except CatalogueError as error:
        yield Finding("fail", "models", str(error), "correct models.yaml, or restore it from git")
    else:
        yield Finding("ok", "models", "the catalogue of models is valid")


def _data(state: StateFolder, env: Mapping[str, str], data: Path | None) -> Finding:
    try:
        plan = make_plan(state=state.folder, env=env, data=data)
    except CliError as error:
        return Finding("fail", "data", error.message, error.hint)
    if plan.data is None:
        return Finding(
            "warn", "data", f"no candles in {shown(SHARED_DATA)}", "the market will be made up; or use --data"
        )
    return Finding("ok", "data", f"candles of {', '.join(plan.symbols)} in {plan.data}")


def _keys(env: Mapping[str, str]) -> Iterator[Finding]:
    present = [f"{name} ({use})" for name, use in KEYS.items() if env.get(name)]
    if present:
        yield Finding("ok", "keys", f"set in this environment: {', '.join(present)}")
    else:
        yield Finding(
            "ok", "keys", "none set in this environment: the built-in model decides; OPENROUTER_API_KEY brings others"
        )


def deciders(told: list[ToldByDecider] | Silence) -> Iterator[Finding]:
    """What the workers of the run have: their environment may be another than this one."""
    if isinstance(told, Silence):
        yield Finding("warn", "deciders", told.why, "wait until the run is ready, or see the decider's log")
        return
    for each in told:
        yield Finding("ok", each.instance, f"decides by default: {', '.join(each.catalogue.chain)} ({each.by})")
        for check in each.checks:
            wrong = check["verdict"] in WRONG
            said = f"{check['provider']}: {check['verdict']}, {check['actual']}"
            yield Finding("fail" if wrong else "ok", "keys", said, str(check.get("hint", "")) if wrong else "")
    if len({(each.catalogue.chain, tuple(each.catalogue.entries)) for each in told}) > 1:
        said = "the deciders of this run have different models"
        yield Finding("fail", "deciders", said, "start the run anew, so that all read one models.yaml")


def _disk(state: StateFolder) -> Finding:
    folder = next(one for one in (state.folder, *state.folder.parents) if one.exists())
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free at {shown(state.folder)}"
    if not os.access(folder, os.W_OK):
        return Finding(
            "fail", "disk", f"{folder} is not writable", "change its permissions, or take another --state-dir"
        )
    if free < TOO_LITTLE_BYTES:
        return Finding("fail", "disk", found, "free some space: 1 GiB is the least, 5 GiB are comfortable")
    if free < LITTLE_BYTES:
        return Finding("warn", "disk", found, "long runs want 5 GiB")
    return Finding("ok", "disk", found)
