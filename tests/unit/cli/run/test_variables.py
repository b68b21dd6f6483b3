"""The variables that workers are given are those that they read."""

from pathlib import Path

import pytest

from cli.project import StateFolder
from cli.run.environment import worker_env
from cli.run.plan import Plan
from cli.run.variables import OWN, known_variables, mistyped, settings_classes
from cli.run.workers import NAMES
from libs.runtime.settings import variables_of

PROCESS = {"PYTHONPATH", "PYTHONUNBUFFERED", "ASSETS"}
"""Read by Python, and by the workers that have to do with markets."""
URLS = {"nats": "nats://n", "mongodb": "mongodb://m", "redis": "redis://r"}


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_is_given_only_variables_that_it_reads(name: str) -> None:
    plan = Plan(StateFolder(Path("/state")), "synthetic", Path("/data"), 60, ("BTCUSDT",), seed=7)
    given = worker_env(name, 1, plan, URLS, {}, ops_port=4711, gateway_port=8080)
    read = {variable for names in variables_of(settings_classes()[name]).values() for variable in names}
    assert set(given) - PROCESS <= read


def test_every_name_of_a_field_is_known_and_its_own_come_first() -> None:
    names = variables_of(settings_classes()["decider"])
    assert names["llm_model"] == ("LLM_MODEL",)
    assert names["decider_deadline_s"] == ("PERPETUA_DECIDER_DEADLINE_S",)
    assert {"LLM_MODEL", "PERPETUA_DECIDER_DEADLINE_S", "MONGODB_URL", *OWN} <= known_variables()


def test_a_variable_that_nobody_reads_is_named_with_the_one_that_was_meant() -> None:
    env = {"PERPETUA_SPED": "2", "PERPETUA_TEST_X": "1", "PERPETUA_CREDENTIAL_MAIN_KEY": "k", "HOME": "/h"}
    assert mistyped(env, known_variables()) == [("PERPETUA_SPED", "PERPETUA_SPEED")]
