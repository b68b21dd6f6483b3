"""How each command that README and the guides name is run by the suite: in a running system, in an empty place, or by a
suite of its own. {…} is filled in by the test."""

import asyncio
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from typer.testing import CliRunner

from cli.commands.root import app
from cli.errors import CliError

ACCOUNT = "documented"
"""Made by the first command, so that none of these touches what others trade."""


@dataclass(frozen=True, slots=True)
class Way:
    """`words` of the command as a test runs it; `says` is in what it prints; `code` its exit code."""

    words: str
    says: str = ""
    code: int = 0


RUNNING: dict[str, Way] = {
    "account add": Way(
        f"account add {ACCOUNT} initial_balance=10000 strategy_id=scalping symbols=BTCUSDT leverage=3"
        " max_position_size=5000 min_seconds_between_decisions=86400 --why documented"
    ),
    "account list": Way("account list", ACCOUNT),
    "page": Way("page", "http://"),
    "account set": Way(f"account set {ACCOUNT} leverage=2 --why less"),
    "account pause": Way(f"account pause {ACCOUNT} --why look"),
    "config history": Way(f"config history account.{ACCOUNT}", "less"),
    "status": Way("status", "scalping"),
    "market": Way("market", "BTCUSDT"),
    "performance": Way("performance", "wallet"),
    "trades": Way("trades --json", "["),
    "positions": Way("positions --json", "["),
    "orders": Way("orders", "symbol"),
    "alerts": Way("alerts --json", "["),
    "decisions": Way("decisions --limit 500", "{decision}"),
    "decisions ID": Way("decisions {decision}", "{decision}"),
    "logs WORKER": Way("logs ledger --json", "ledger"),
    "context show": Way("context show --account mine", "equity"),
    "prompt show": Way("prompt show --account mine"),
    "decide --again": Way("decide --again {decision}", "same"),
    "usage": Way("usage --account mine --since 7d"),
    "models list": Way("models list", "builtin/trend"),
    "models check": Way("models check builtin/trend", "builtin"),
    "models switch": Way("models switch builtin/trend --why cheaper", "from now on: builtin/trend"),
    "models reset": Way("models reset --why enough", "from now on: builtin/trend"),
    "strategy list": Way("strategy list", "scalping"),
    "strategy add": Way("strategy add {own} --why first"),
    "strategy assign": Way(f"strategy assign {ACCOUNT} own --why calmer"),
    "strategy history": Way("strategy history own", "first"),
    "strategy show": Way("strategy show own --version 1", "own"),
    "strategy delete": Way("strategy delete own --why done", "assign another one first", 1),
    "experiment start": Way("experiment start {brave} --why worth", "brave"),
    "experiment list": Way("experiment list", "brave"),
    "experiment show": Way("experiment show brave", "brave"),
    "experiment stop": Way("experiment stop brave --why enough"),
    "key create": Way(f"key create doc --scopes read,decide --accounts {ACCOUNT}", "keep the line above"),
    "key list": Way("key list", "doc"),
    "key revoke": Way("key revoke none", "none", 1),
    "dead list": Way("dead list"),
    "dead replay": Way("dead replay --all --stream REQUESTS"),
    "control": Way(f"control halted --account {ACCOUNT} --why news"),
    "archive restore": Way("archive restore /nowhere.gz --database restored", "/nowhere.gz is not there", 1),
    "verify": Way("verify --json"),
    "close": Way(f"close {ACCOUNT} BTCUSDT --share 0.5", "", 3),
}
ALONE: dict[str, Way] = {
    "init": Way("init --state-dir {state} --symbols BTCUSDT", "initial_balance"),
    "doctor": Way("doctor --state-dir {state}", "models"),
    "backup": Way("backup {file} --state-dir {state}", "passwords and keys are in it"),
    "restore": Way("restore {file} --replace --state-dir {state}", "is as of"),
    "reset": Way("reset --yes --state-dir {state}", "is empty but for config"),
    "down": Way("down --state-dir {state}", "nothing was running"),
    "schemas": Way("schemas --out {out}", "schemas in"),
    "secrets": Way("secrets {secrets}"),
    "strategy preview": Way("strategy preview --file {own}"),
    "notify routes": Way("notify routes", "no routes"),
    "simulate": Way("simulate --seeds 1..1", "1 seeds, 0 with a broken promise"),
    "publish check": Way("publish check {ticks} --alone", "accepted"),
}
"""Without a system; in this order, in one folder."""
ELSEWHERE: dict[str, str] = {
    "demo": "tests/e2e/test_demo.py",
    "up": "tests/e2e/test_demo.py",
    "mcp": "tests/integration/test_mcp.py",
    "flatten": "tests/contract/test_flatten.py",
    "provision": "tests/integration/deployment/test_provision.py",
    "replay": "tests/e2e/test_parity.py",
    "data": "tests/unit/replay/test_folders.py",
    "servers": "tests/integration/deployment/test_backup.py",
    "seals": "tests/integration/test_sealing.py",
    "notify test": "tests/e2e/test_notifier.py",
    "logs -f": "tests/e2e/trading/test_documented.py",
}


def way_of(command: str) -> str | None:
    """The entry for a command as a page has it, without `perpetua`: the longest whose words it begins with."""
    words = [word.split("|")[0] for word in command.split()]
    known = (*RUNNING, *ALONE, *ELSEWHERE)
    fitting = (entry for entry in known if words[: len(entry.split())] == entry.split())
    return max(fitting, key=len, default=None)


async def told(way: Way, fill: Mapping[str, object], *more: str) -> str:
    """What the command prints, run here in a thread. AssertionError where it ends otherwise than it should."""
    words = [*shlex.split(way.words.format(**fill)), *more]
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    error = result.exception
    said = result.output + (f"{error.message} {error.hint}" if isinstance(error, CliError) else "")
    code = error.code if isinstance(error, CliError) else result.exit_code
    assert (code, way.says.format(**fill) in said) == (way.code, True), f"{words}: {code} {error!r} {said[-600:]}"
    return said
