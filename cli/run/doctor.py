"""`perpetua doctor`: would it run here, and if not, what to do. Keys are named, never shown."""

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.ask.deciders import Silence, ToldByDecider, ask_all
from cli.embedded.binaries import find, version_of
from cli.embedded.errors import ServerError
from cli.embedded.kind import version_behind, without_credentials
from cli.embedded.ports import is_free
from cli.embedded.servers import KINDS
from cli.embedded.state import load as load_servers
from cli.errors import CliError
from cli.files import known_symbols
from cli.probe import get
from cli.project import SHARED_DATA, StateFolder, shown
from cli.run.finding import Finding
from cli.run.plan import make_plan
from cli.run.preflight import of_accounts, of_candles, of_models, of_own, of_settings
from cli.run.routes import of_routes
from cli.runfile import RunFile, running
from services.decider.domain.authentication import WRONG

LITTLE_BYTES, TOO_LITTLE_BYTES = 5 * 1024**3, 1024**3


def examine(state: StateFolder, env: Mapping[str, str], data: Path | None = None) -> Iterator[Finding]:
    """All findings, each as soon as it is known. `env` is the process's own environment."""
    run = running(state.run_file)
    yield _python()
    yield from _servers(env)
    yield _instance(state, run)
    yield from _market(run)
    yield from _ports(state, env, run)
    yield from _wanted(state, env, data, run)
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


def _wanted(state: StateFolder, env: Mapping[str, str], data: Path | None, run: RunFile | None) -> Iterator[Finding]:
    """What a start would ask before it starts anything; of models that run already the workers themselves speak."""
    yield from of_own(state)
    yield from of_settings(env)
    try:
        plan = make_plan(state=state.folder, env=env, data=data)
    except CliError as error:
        yield Finding("fail", "data", error.message, error.hint)
        yield from of_accounts(known_symbols(state.config), state.config)
    else:
        yield from of_accounts(plan.symbols, state.config)
        yield from of_candles(plan)
        if plan.data is None:
            found = f"no candles in {shown(SHARED_DATA)}"
            yield Finding("warn", "data", found, "the market will be made up; or use --data")
    yield from of_routes(env)
    yield from of_models(env, state.config) if run is None else deciders(asyncio.run(ask_all(state.folder)))


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
