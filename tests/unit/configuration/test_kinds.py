"""What a newer worker wrote an older one reads, and what an older one wrote a newer one; kinds by their keys."""

import json
from typing import Any

import pytest

from libs.configuration.configuration import By, ConfigEntry, ConfigRefusal, Configuration, Refused, parsed, updated
from libs.configuration.models import ModelSwitch, SeenModels
from libs.schemas.base import Message
from libs.schemas.kinds import KINDS, ConfigKind, event_at, kind_at, kind_of
from libs.schemas.models import MODELS_KEY, ModelsConfig
from tests.fakes.config_store import FakeConfigStore
from tests.fakes.typos import EXAMPLES, Place, containers
from tests.fakes.validator_values import account

BY = By("anna", "a test")
WANTED = ModelsConfig.model_validate(EXAMPLES[ModelsConfig])
# The names of params are of a fixed set, for everybody.
NEWER = [(kind, within) for kind in KINDS for within in containers(kind.model) if within[-1:] != ("params",)]


@pytest.mark.parametrize(("kind", "within"), NEWER, ids=[f"{k.family}.{'.'.join(map(str, w))}" for k, w in NEWER])
def test_a_reader_takes_what_a_newer_worker_wrote(kind: ConfigKind[Any], within: Place) -> None:
    """With a field that only the newer version knows, at this place."""
    known = kind.model.model_validate(EXAMPLES[kind.model])
    body: Any = json.loads(known.model_dump_json())
    inner = body
    for part in within:
        inner = inner[part]
    inner["of_a_newer_version"] = {"deep": 1}
    assert parsed(kind.model, json.dumps(body).encode()) == known


def test_an_older_worker_reads_the_models_of_a_newer_one_and_the_other_way_round() -> None:
    class OfBefore(Message):
        chain: tuple[str, ...]
        by: str
        why: str

    assert OfBefore.model_validate_json(WANTED.model_dump_json()).chain == WANTED.chain
    old = WANTED.model_dump_json(exclude={"version"})
    assert (parsed(ModelsConfig, old.encode()), WANTED.version) == (WANTED, 1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.family)
def test_a_value_has_the_key_of_its_family(kind: ConfigKind[Any]) -> None:
    value = kind.model.model_validate(EXAMPLES[kind.model])
    key = kind.key(value)
    assert kind_at(key) is kind_of(value) is kind
    assert kind.keys(value)[0] == key
    assert [kind.is_copy(one) for one in kind.keys(value)] == [False, True][: len(kind.keys(value))]


def test_what_is_changed_names_its_event() -> None:
    assert event_at("account.acc1") == ("account", "account.changed.acc1")
    assert event_at("strategy.trend") == ("strategy", "strategy.changed.trend")
    for key in ("venue.paper.BTCUSDT", "experiment.brave", "models", "control.all", "account.no.name"):
        assert event_at(key) == ("config", f"config.changed.{key}")


def test_a_change_is_refused_for_a_mistake_at_any_depth() -> None:
    refused = updated(account(), {"budgets": {"usd_per_dy": 5}})
    assert isinstance(refused, Refused)
    assert (refused.why, refused.field) == (ConfigRefusal.INVALID, "budgets.usd_per_dy")
    assert refused.message == "budgets.usd_per_dy: there is no such field; did you mean usd_per_day?"


@pytest.fixture
def store() -> FakeConfigStore:
    return FakeConfigStore()


@pytest.fixture
def models(store: FakeConfigStore) -> ModelSwitch:
    return ModelSwitch(Configuration(store))


async def test_each_switch_is_a_version_more_also_after_a_reset(models: ModelSwitch, store: FakeConfigStore) -> None:
    for version in (1, 2):
        made = await models.switch(WANTED, await models.look(), BY)
        assert isinstance(made, ConfigEntry) and made.body.version == version
    assert await models.reset(await models.look(), BY) is None
    assert (await models.look()).switched is None
    made = await models.switch(WANTED, await models.look(), BY)
    assert isinstance(made, ConfigEntry) and made.body.version == 3
    assert [one.by for one in store.writes] == [BY] * 4


async def test_a_reset_of_nothing_writes_nothing(models: ModelSwitch, store: FakeConfigStore) -> None:
    assert await models.reset(await models.look(), BY) is None
    assert store.writes == []


async def test_a_switch_of_before_versions_is_followed_by_the_second_version(
    models: ModelSwitch, store: FakeConfigStore
) -> None:
    store.put_now(MODELS_KEY, WANTED.model_dump_json(exclude={"version"}).encode(), BY)
    made = await models.switch(WANTED, await models.look(), BY)
    assert isinstance(made, ConfigEntry) and made.body.version == 2


async def test_a_value_that_nobody_can_read_is_replaced(models: ModelSwitch, store: FakeConfigStore) -> None:
    store.put_now(MODELS_KEY, b"{}", BY)
    assert await models.look() == SeenModels(None, 1)
    assert isinstance(await models.switch(WANTED, await models.look(), BY), ConfigEntry)


async def test_who_saw_something_else_is_told(models: ModelSwitch) -> None:
    seen = await models.look()
    first = WANTED.model_copy(update={"by": "bert", "why": "cheaper"})
    assert isinstance(await models.switch(first, seen, BY), ConfigEntry)
    refused = await models.switch(WANTED, seen, BY)
    assert isinstance(refused, Refused) and refused.why is ConfigRefusal.CONTESTED
    assert "bert switched to builtin/trend (cheaper) at this moment" in refused.message
    held = await models.look()
    assert await models.reset(held, BY) is None
    again = await models.reset(held, BY)
    assert isinstance(again, Refused) and "somebody reset the models" in again.message
