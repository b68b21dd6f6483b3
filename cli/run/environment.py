"""The environment of each worker: what it needs and nothing else, so that a key never reaches a process without use
for it. What is not listed here is not handed on."""

import sys
from collections.abc import Mapping

from cli.project import ROOT
from cli.run.plan import START_DAY, Plan
from cli.run.workers import WORKERS, Database
from libs.runtime.settings import CREDENTIAL_PREFIX, NOTIFY_PREFIX, PREFIX, TEST_PREFIX

_SYSTEM = ("PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_SYSTEM_PREFIXES = ("LC_", "OTEL_")
_SHARED = ("ASSETS", "INTERVAL", "LONG_INTERVAL", "LEVERAGE", "MAX_POSITION_SIZE_USD")
_OUTGOING = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
)
_OF_EXECUTOR = ("EXECUTOR_ALLOW_LIVE", "EXECUTOR_ADOPT")
_MODELS = ("OPENROUTER_", "LLM_", "LITELLM_")
_SECRETS = ("KEY", "SECRET", "TOKEN", "PASSWORD")
_DATABASES: Mapping[Database, str] = {"mongodb": "MONGODB_URL", "redis": "REDIS_URL"}
SUPERVISED_GRACE_S = 3.0


def worker_argv(name: str) -> list[str]:
    """`-P`: a folder `services` where the user happens to be must not be taken for ours."""
    return [sys.executable, "-P", "-m", WORKERS[name].module]


def worker_env(
    name: str,
    number: int,
    plan: Plan,
    urls: Mapping[str, str],
    base: Mapping[str, str],
    *,
    ops_port: int,
    gateway_port: int,
) -> dict[str, str]:
    """The whole environment of worker `name`-`number`. `urls` has keys nats, mongodb, redis."""
    env = {key: value for key, value in base.items() if _is_for(name, key)}
    env |= {
        "NATS_URL": urls["nats"],
        "PERPETUA_OPS_PORT": str(ops_port),
        "PERPETUA_INSTANCE": f"{name}-{number}",
        "PERPETUA_GRACEFUL_TIMEOUT": str(SUPERVISED_GRACE_S),
        "ASSETS": ",".join(plan.symbols),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    env |= {_DATABASES[database]: urls[database] for database in WORKERS[name].databases}
    if name == "ledger":
        env.setdefault("PERPETUA_LEDGER_ARCHIVE_DIR", str(plan.state.folder / "archive"))
    if name == "gateway":
        env["PERPETUA_GATEWAY_PORT"] = str(gateway_port)
    if name == "feed":
        env |= _feed_env(plan, base)
    return env


def _feed_env(plan: Plan, base: Mapping[str, str]) -> dict[str, str]:
    env = {
        "PERPETUA_FEED": plan.feed,
        "PERPETUA_SPEED": f"{plan.speed:g}",
        "PERPETUA_START_DAY": base.get("PERPETUA_START_DAY", str(START_DAY)),
    }
    if plan.data is not None:
        env["PERPETUA_DATA_DIR"] = str(plan.data)
    if plan.seed is not None:
        env["PERPETUA_SEED"] = str(plan.seed)
    return env


def _is_for(name: str, key: str) -> bool:
    if key in _SYSTEM or key in _SHARED or key.startswith(_SYSTEM_PREFIXES):
        return True
    if key.startswith(CREDENTIAL_PREFIX) or key in _OF_EXECUTOR:
        return name == "executor"
    if key.startswith(NOTIFY_PREFIX):
        return name == "notifier"
    if key.startswith(PREFIX):
        return not key.startswith(TEST_PREFIX) and not any(word in key for word in _SECRETS)
    outside = WORKERS[name].outside
    if key in _OUTGOING:
        return bool(outside)
    return "model" in outside and key.startswith(_MODELS)
