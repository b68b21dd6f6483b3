"""Configuration on a real server: history, races, and an event for every write whatever dies."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.connection import connected
from libs.configuration.accounts import Accounts
from libs.configuration.configuration import By, ConfigEntry, ConfigRefusal, ConfigStore, Configuration, Refused
from libs.configuration.kv_store import KvConfigStore
from libs.configuration.mirror import ConfigMirror
from libs.configuration.models import ModelSwitch
from libs.configuration.strategies import Strategies
from libs.configuration.templates import JinjaTemplates
from libs.runtime.bus import Bus
from libs.runtime.errors import Conflict
from libs.runtime.provision import provision_nats
from libs.schemas.audit import AuditEvent
from libs.schemas.models import MODELS_KEY, ModelsConfig
from libs.schemas.names import key_of
from libs.schemas.subjects import AUDIT, account_key, venue_key
from services.ledger.app import create_app
from services.ledger.settings import Settings
from tests.builders import venue
from tests.fakes.config_store import FakeConfigStore
from tests.fakes.typos import EXAMPLES
from tests.fakes.validator_values import account, strategy
from tests.integration.runtime.conftest import until
from tests.integration.runtime.process import Process

pytestmark = pytest.mark.integration
BY = By("anna", "a test – “quoted”")


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with connected(nats_url) as made:
        await provision_nats(made.js)
        yield made


async def desk(store: ConfigStore) -> tuple[Strategies, Accounts]:
    """The two ways of changing, with a strategy and an account on the bucket."""
    configuration = Configuration(store)
    strategies = Strategies(configuration, JinjaTemplates())
    accounts = Accounts(configuration, strategies)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        await configuration.create(venue_key("paper", symbol), venue(symbol), BY)
    assert isinstance(await strategies.add(strategy(version=1), BY), ConfigEntry)
    assert isinstance(await accounts.add(account(), BY), ConfigEntry)
    return strategies, accounts


@pytest.mark.parametrize("real", [False, True])
async def test_both_stores_keep_the_same_promises(bus: Bus, real: bool) -> None:
    store: ConfigStore = KvConfigStore(bus) if real else FakeConfigStore()
    assert await store.latest("x.a") is None
    first = await store.put("x.a", b"1", BY, 0)
    with pytest.raises(Conflict):
        await store.put("x.a", b"2", BY, 0)
    second = await store.put("x.a", b"2", By("bert", "two"), first)
    third = await store.put("x.a", None, BY, second)
    await store.put("x.b", b"b", BY, 0)
    assert [(one.value, one.by, one.revision) for one in await store.history("x.a")] == [
        (b"1", BY, first),
        (b"2", By("bert", "two"), second),
        (None, BY, third),
    ]
    last = await store.latest("x.a")
    assert last is not None
    assert (last.value, last.revision) == (None, third)
    with pytest.raises(Conflict):
        await store.put("x.a", b"3", BY, 0)
    await store.put("x.a", b"3", BY, third)
    assert {key: one.value for key, one in (await store.present("x.")).items()} == {"x.a": b"3", "x.b": b"b"}
    assert await store.present("y.") == {}


async def test_writers_at_once_lose_nothing(bus: Bus) -> None:
    _, accounts = await desk(KvConfigStore(bus))
    fields: list[dict[str, object]] = [
        {"rate_limit": 7},
        {"leverage": 2},
        {"name": "other"},
        {"price_trigger_pct": 1.5},
    ]
    made = await asyncio.gather(*(accounts.change("acc1", one, BY) for one in fields))
    assert all(isinstance(one, ConfigEntry) for one in made), made
    found = await accounts.get("acc1")
    assert isinstance(found, ConfigEntry)
    assert (found.body.rate_limit, int(found.body.leverage), found.body.name) == (7, 2, "other")
    assert (found.body.price_trigger_pct, found.body.version) == (1.5, 5)


async def test_every_write_becomes_one_event_with_who_what_and_why(
    bus: Bus, nats_url: str, mongo_url: str, mongo_db_name: str
) -> None:
    strategies, accounts = await desk(KvConfigStore(bus))
    await accounts.change("acc1", {"rate_limit": 7}, By("bert", "too many calls"))
    await strategies.change("trend", {"max_positions": 5}, By("bert", "more room"))
    assert await strategies.delete("trend", BY) is not None
    await bus.kv_put("config", account_key(key_of("past")), account("past"))
    await bus.kv_delete("config", account_key(key_of("past")))
    places = {"nats_url": nats_url, "mongodb_url": mongo_url, "mongodb_db": mongo_db_name}
    for _ in range(2):  # a ledger that comes again makes no event twice
        ledger = create_app(Settings.model_validate(places))
        await ledger.start()
        await until(lambda: all_told(bus))
        await ledger.stop()
    events = await audit(bus)
    assert [(one.what, one.subject, one.who) for one in events] == [
        ("config.created", "venue.paper.BTCUSDT", "anna"),
        ("config.created", "venue.paper.ETHUSDT", "anna"),
        ("strategy.created", "strategy.trend", "anna"),
        ("account.created", "account.acc1", "anna"),
        ("account.changed", "account.acc1", "bert"),
        ("strategy.changed", "strategy.trend", "bert"),
        ("account.created", "account.past", "unknown"),
        ("account.deleted", "account.past", "unknown"),
    ]
    changed = events[4]
    assert (changed.before, changed.after) == ('{"rate_limit": 60, "version": 1}', '{"rate_limit": 7, "version": 2}')
    assert (changed.why, events[0].why) == ("too many calls", BY.why)
    assert events[7].after is None


async def test_a_writer_that_dies_after_its_write_leaves_the_event_behind(
    bus: Bus, nats_url: str, mongo_url: str, mongo_db_name: str, tmp_path: Path
) -> None:
    _, accounts = await desk(KvConfigStore(bus))
    writer = Process(
        "changing",
        tmp_path / "writer.log",
        {"NATS_URL": nats_url, "ACCOUNT": "acc1", "PERPETUA_FAILPOINT": "configuration.after_put"},
    )
    assert await writer.ended() == -signal.SIGKILL, writer.output
    found = await accounts.get("acc1")
    assert isinstance(found, ConfigEntry)
    assert found.body.status == "paused"
    assert not [one for one in await audit(bus) if one.what == "account.changed"]
    places = {"nats_url": nats_url, "mongodb_url": mongo_url, "mongodb_db": mongo_db_name}
    ledger = create_app(Settings.model_validate(places))
    await ledger.start()
    await until(lambda: all_told(bus))
    await ledger.stop()
    (event,) = [one for one in await audit(bus) if one.what == "account.changed"]
    assert (event.who, event.why) == ("anna", "before the crash")
    assert event.after == '{"status": "paused", "version": 2}'


async def test_a_mirror_ignores_what_stands_under_a_key_that_is_not_its_own(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    await bus.kv_put("config", account_key(key_of("alpha")), account("beta"))
    await bus.kv_put("config", account_key(key_of("gamma")), account("gamma"))
    await bus.kv_put("config", "strategy.trend.7", strategy(version=3))
    mirror = ConfigMirror(bus)
    await mirror.start()
    assert set(mirror.accounts) == {"gamma"}
    assert (mirror.account("alpha"), mirror.account("beta"), mirror.strategy("trend", 7)) == (None, None, None)
    await mirror.stop()
    assert "account.alpha is not valid and is ignored: it names itself account.beta" in caplog.text


async def test_a_mirror_follows_a_change(bus: Bus) -> None:
    _, accounts = await desk(KvConfigStore(bus))
    mirror = ConfigMirror(bus)
    await mirror.start()

    def limit() -> int:
        found = mirror.account("acc1")
        return found.rate_limit if found else 0

    assert limit() == 60
    await accounts.change("acc1", {"rate_limit": 7}, BY)
    await until(lambda: limit() == 7)
    await mirror.stop()


async def test_a_strategy_assigned_and_deleted_at_once_is_there_for_its_account(bus: Bus) -> None:
    strategies, accounts = await desk(KvConfigStore(bus))
    for n in range(5):
        name = f"s{n}"
        await strategies.add(strategy(strategy_id=name), BY)
        assigned, deleted = await asyncio.gather(accounts.assign("acc1", name, BY), strategies.delete(name, BY))
        found, now = await accounts.get("acc1"), await strategies.get(name)
        assert isinstance(found, ConfigEntry)
        if found.body.strategy_id == name:
            assert isinstance(now, ConfigEntry), (assigned, deleted)
            assert isinstance(deleted, Refused)
            assert deleted.why in (ConfigRefusal.IN_USE, ConfigRefusal.CONTESTED)
        await accounts.assign("acc1", "trend", BY)


class AtOnce(KvConfigStore):
    """The real store for two writers: each waits for the other before its first write, having read before."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self._both, self._waited = asyncio.Barrier(2), 0

    async def put(self, key: str, value: bytes | None, by: By, last: int) -> int:
        if self._waited < 2:
            self._waited += 1
            await self._both.wait()
        return await super().put(key, value, by, last)


async def test_of_two_switches_of_a_strategy_at_once_one_wins_and_the_other_is_told(bus: Bus) -> None:
    strategies, before = await desk(KvConfigStore(bus))
    for name in ("calm", "brave"):
        assert isinstance(await strategies.add(strategy(strategy_id=name), BY), ConfigEntry)
    accounts = Accounts(Configuration(AtOnce(bus)), strategies)
    answers = await asyncio.gather(accounts.assign("acc1", "calm", BY), accounts.assign("acc1", "brave", BY))
    (won,) = [answer for answer in answers if isinstance(answer, ConfigEntry)]
    (told,) = [answer for answer in answers if isinstance(answer, Refused)]
    assert told.why is ConfigRefusal.CONTESTED
    assert f"acc1 was given the strategy {won.body.strategy_id} at this moment" in told.message
    now = await before.get("acc1")
    assert isinstance(now, ConfigEntry) and now.body == won.body


async def test_of_two_switches_of_the_models_at_once_one_wins_and_the_other_is_told(bus: Bus) -> None:
    models, wanted = ModelSwitch(Configuration(AtOnce(bus))), ModelsConfig.model_validate(EXAMPLES[ModelsConfig])
    seen = await models.look()
    chains = [("a/one",), ("b/two",)]
    answers = await asyncio.gather(
        *(models.switch(wanted.model_copy(update={"chain": chain}), seen, BY) for chain in chains)
    )
    (won,) = [answer for answer in answers if isinstance(answer, ConfigEntry)]
    (told,) = [answer for answer in answers if isinstance(answer, Refused)]
    assert told.why is ConfigRefusal.CONTESTED
    assert f"anna switched to {won.body.chain[0]}" in told.message
    assert (await models.look()).switched == won.body


async def test_a_mirror_reads_what_a_newer_worker_wrote(bus: Bus) -> None:
    body = account().model_dump(mode="json") | {"later": 1}
    body["budgets"] |= {"usd_per_week": 3}
    await bus.kv_put("config", account_key(key_of("acc1")), json.dumps(body).encode())
    await bus.kv_put("config", MODELS_KEY, json.dumps(EXAMPLES[ModelsConfig] | {"version": 4, "later": 1}).encode())
    mirror = ConfigMirror(bus)
    await mirror.start()
    assert mirror.account("acc1") == account()
    assert mirror.models is not None and (mirror.models.chain, mirror.models.version) == (("builtin/trend",), 4)
    await mirror.stop()


async def all_told(bus: Bus) -> bool:
    info = await bus.js.consumer_info("KV_config", "ledger-config")
    return not info.num_pending and not info.num_ack_pending


async def audit(bus: Bus) -> list[AuditEvent]:
    """All changes in the log, oldest first."""
    last = (await bus.js.stream_info(AUDIT.name)).state.last_seq
    messages = [await bus.js.get_msg(AUDIT.name, seq=n) for n in range(1, last + 1)]
    return [AuditEvent.model_validate_json(one.data or b"") for one in messages]
