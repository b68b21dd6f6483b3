from pathlib import Path

import pytest

from cli.project import StateFolder
from cli.run.environment import worker_argv, worker_env
from cli.run.plan import Plan
from cli.run.workers import NAMES

URLS = {"nats": "nats://n", "mongodb": "mongodb://user:pw@m", "redis": "redis://r"}
BASE = {
    "PATH": "/bin",
    "LC_ALL": "C.UTF-8",
    "OPENROUTER_API_KEY": "sk-or-secret",
    "LLM_API_KEY": "sk-llm-secret",
    "LLM_MODEL": "openrouter/x",
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "PERPETUA_VENUE_SECRET": "venue-secret",
    "PERPETUA_CREDENTIAL_MAIN_KEY": "wallet-key",
    "PERPETUA_NOTIFY_PHONE_TOKEN": "phone-token",
    "PERPETUA_NOTIFY_SECRETS_FILE": "/run/keys/notify",
    "PERPETUA_CREDENTIAL_MAIN_SECRET_FILE": "/run/keys/main",
    "EXECUTOR_ALLOW_LIVE": "true",
    "EXECUTOR_ADOPT": '["main"]',
    "PERPETUA_TEST_NATS_URL": "nats://tests",
    "PERPETUA_LOG_LEVEL": "DEBUG",
    "PERPETUA_FAILPOINT": "executor.after_store",
    "MONGODB_URL": "mongodb://from-outside",
    "PYTHONSTARTUP": "/evil.py",
    "HTTPS_PROXY": "http://proxy",
}


def env_of(name: str, plan: Plan | None = None) -> dict[str, str]:
    plan = plan or Plan(StateFolder(Path("/state")), "replay", Path("/data"), 60, ("BTCUSDT", "ETHUSDT"))
    return worker_env(name, 2, plan, URLS, BASE, ops_port=4711, gateway_port=8080)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "decider"])
def test_keys_of_models_reach_no_worker_but_the_decider(name: str) -> None:
    assert "secret" not in " ".join(env_of(name).values())
    assert "LLM_MODEL" not in env_of(name)


def test_the_decider_has_its_keys_and_no_database() -> None:
    made = env_of("decider")
    assert made["OPENROUTER_API_KEY"] == "sk-or-secret"
    assert made["LLM_API_KEY"] == "sk-llm-secret"
    assert made["REDIS_URL"] == URLS["redis"]
    assert "MONGODB_URL" not in made
    assert "AWS_SECRET_ACCESS_KEY" not in made


@pytest.mark.parametrize("name", NAMES)
def test_credentials_of_exchanges_reach_the_executor_alone(name: str) -> None:
    made = env_of(name)
    found = [key for key in made if key.startswith("PERPETUA_CREDENTIAL_") or key.startswith("EXECUTOR_")]
    assert len(found) == (4 if name == "executor" else 0)
    assert ("wallet-key" in made.values()) == (name == "executor")


@pytest.mark.parametrize("name", NAMES)
def test_secrets_of_routes_reach_the_notifier_alone(name: str) -> None:
    found = {value for key, value in env_of(name).items() if key.startswith("PERPETUA_NOTIFY_")}
    assert found == ({"phone-token", "/run/keys/notify"} if name == "notifier" else set())


@pytest.mark.parametrize("name", NAMES)
def test_a_proxy_is_for_those_that_leave_this_machine(name: str) -> None:
    assert ("HTTPS_PROXY" in env_of(name)) == (name in ("feed", "executor", "decider", "notifier"))


@pytest.mark.parametrize("name", NAMES)
def test_every_worker_knows_the_bus_itself_and_what_it_trades(name: str) -> None:
    made = env_of(name)
    assert made["NATS_URL"] == "nats://n"
    assert made["PERPETUA_INSTANCE"] == f"{name}-2"
    assert made["PERPETUA_OPS_PORT"] == "4711"
    assert made["ASSETS"] == "BTCUSDT,ETHUSDT"
    assert made["PERPETUA_LOG_LEVEL"] == "DEBUG"
    assert not [key for key in made if key.startswith("PERPETUA_TEST_") or key == "PYTHONSTARTUP"]


def test_only_those_that_store_reach_the_database_by_its_present_address() -> None:
    with_database = {name for name in NAMES if env_of(name).get("MONGODB_URL") == URLS["mongodb"]}
    assert with_database == {"executor", "ledger", "gateway"}


def test_the_feed_is_told_where_and_how_fast_to_replay() -> None:
    made = env_of("feed")
    assert (made["PERPETUA_FEED"], made["PERPETUA_SPEED"], made["PERPETUA_DATA_DIR"]) == ("replay", "60", "/data")
    assert made["PERPETUA_START_DAY"] == "11"
    assert "PERPETUA_SEED" not in made


def test_a_synthetic_feed_is_told_its_seed() -> None:
    made = env_of("feed", Plan(StateFolder(Path("/s")), "synthetic", None, 2.5, ("BTCUSDT",), seed=7))
    assert (made["PERPETUA_FEED"], made["PERPETUA_SPEED"], made["PERPETUA_SEED"]) == ("synthetic", "2.5", "7")
    assert "PERPETUA_DATA_DIR" not in made


def test_workers_are_started_as_modules_without_the_folder_where_the_user_is() -> None:
    assert worker_argv("ledger")[1:] == ["-P", "-m", "services.ledger.app"]
