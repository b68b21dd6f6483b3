"""LiteLLM is loaded where configuration names a language model, and nowhere else."""

import asyncio

import pytest

from libs.schemas.experiment import Experiment
from libs.schemas.kinds import ConfigValue
from libs.schemas.models import ModelsConfig
from services.decider.application import models_file
from services.decider.application.needed import NeededModels
from tests.builders import T0, account, strategy, venue
from tests.fakes.decider_ports import CONFIG

GPT = "openrouter/openai/gpt-5"
RULE = "builtin/trend"


class Loaded:
    def __init__(self) -> None:
        self.done = asyncio.Event()

    async def start(self) -> None:
        self.done.set()

    async def stop(self) -> None:
        self.done.clear()


def experiment(model: str) -> Experiment:
    arms = [{"name": "a", "model": RULE}, {"name": "b", "model": model}]
    return Experiment.model_validate({"name": "two", "mode": "live", "arms": arms})


def switched(*chain: str) -> ModelsConfig:
    return ModelsConfig(chain=chain, switched_at=T0, by="anna", why="a try")


VALUES = [
    ("an account", account(model=GPT), True),
    ("an account's chain", account(model=f"{RULE}, {GPT}"), True),
    ("an account with a rule", account(model=RULE), False),
    ("an account without a model", account(), False),
    ("a strategy", strategy(model=GPT), True),
    ("an arm", experiment(GPT), True),
    ("an arm with a rule", experiment(RULE), False),
    ("a switch", switched(RULE, GPT), True),
    ("a switch to a rule", switched(RULE), False),
    ("a model that nobody knows", account(model="openrouter/nobody/none"), False),
    ("what names no model", venue(), False),
    ("what was deleted", None, False),
]


def needed(default: str, loaded: Loaded) -> NeededModels:
    return NeededModels(models_file.load(CONFIG), default, loaded)


@pytest.mark.parametrize(("value", "loads"), [row[1:] for row in VALUES], ids=[row[0] for row in VALUES])
async def test_it_is_loaded_before_the_worker_is_ready(value: ConfigValue | None, loads: bool) -> None:
    loaded = Loaded()
    models = needed(RULE, loaded)
    models.heard("key", value)
    await models.start()
    assert loaded.done.is_set() is loads


@pytest.mark.parametrize(("default", "loads"), [(RULE, False), (GPT, True), (f"{RULE},{GPT}", True)])
async def test_the_default_is_asked_for_too(default: str, loads: bool) -> None:
    loaded = Loaded()
    await needed(default, loaded).start()
    assert loaded.done.is_set() is loads


async def test_it_is_loaded_once_a_running_worker_hears_of_a_language_model() -> None:
    loaded = Loaded()
    models = needed(RULE, loaded)
    await models.start()
    running = asyncio.create_task(models.run())
    models.heard("models", switched(GPT))
    await loaded.done.wait()
    await running
