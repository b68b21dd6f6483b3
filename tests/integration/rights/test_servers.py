"""The servers that `perpetua` starts ask who their clients are, also those of a folder from before they did."""

import asyncio
import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

import nats
import nats.errors
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from cli.connection import connected
from cli.embedded.kind import without_credentials
from cli.embedded.servers import ServerInfo, Servers
from cli.run.session import addresses
from libs.runtime.mongo import Document
from libs.runtime.provision import check_nats, provision_nats
from libs.schemas.rights import BY_NAME, PUBLISHER

pytestmark = pytest.mark.integration
WHO = {
    "nats": set(BY_NAME),
    "mongodb": {"admin", "executor", "ledger", "gateway"},
    "redis": {"admin", "context", "decider", "gateway"},
}


@contextlib.contextmanager
def started(folder: Path, *, users: bool = True) -> Iterator[dict[str, ServerInfo]]:
    with Servers(folder, use_urls=False, use_path=False, users=users) as servers:
        yield servers.start()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="module")
def infos(folder: Path) -> Iterator[dict[str, ServerInfo]]:
    with started(folder) as made:
        yield made


async def silent(error: Exception) -> None:
    return


def mongo(url: str) -> MongoClient[Document]:
    return MongoClient(url, serverSelectionTimeoutMS=5_000)


def test_each_server_has_the_users_that_need_it(infos: dict[str, ServerInfo]) -> None:
    assert {name: set(info.urls) for name, info in infos.items()} == WHO
    logins = [url.split("@")[0].rpartition(":")[2] for info in infos.values() for url in info.urls.values()]
    assert len(set(logins)) == len(logins), "a password stands for two users"


def test_a_worker_is_told_its_own_addresses_and_the_administrators_are_written_down(
    infos: dict[str, ServerInfo],
) -> None:
    assert addresses(infos, "executor")["mongodb"].startswith("mongodb://executor:")
    assert addresses(infos, "executor")["nats"].startswith("nats://executor:")
    for name, info in infos.items():
        others = [url for user, url in info.urls.items() if user != "admin"]
        assert info.url == info.urls["admin"], name
        assert not [url for url in others if url in str(info.told())]


def test_passwords_are_for_the_owner_of_the_folder_only(folder: Path, infos: dict[str, ServerInfo]) -> None:
    modes = {
        name: stat.S_IMODE((folder / name).stat().st_mode)
        for name in ("passwords.json", "nats/nats.conf", "redis/redis.conf", "mongodb/key")
    }
    assert modes == dict.fromkeys(modes, 0o600) | {"mongodb/key": 0o400}
    passwords = {info.url.split("@")[0].rpartition(":")[2] for info in infos.values()}
    commands = "".join(Path(f"/proc/{info.pid}/cmdline").read_text() for info in infos.values())
    assert not [one for one in passwords if one in commands]


async def test_nats_refuses_who_does_not_say_who_he_is(infos: dict[str, ServerInfo]) -> None:
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization violation"):
        await nats.connect(without_credentials(infos["nats"].url), allow_reconnect=False, error_cb=silent)


def test_mongodb_refuses_who_does_not_say_who_he_is(infos: dict[str, ServerInfo]) -> None:
    address = infos["mongodb"].url.partition("@")[2].partition("/")[0]
    with mongo(f"mongodb://{address}/?directConnection=true") as client:
        for attempt in (
            lambda: client.perpetua.decisions.find_one(),
            lambda: client.perpetua.accounts.insert_one({"_id": "mine"}),
            lambda: client.admin.command({"createUser": "me", "pwd": "me", "roles": ["root"]}),
        ):
            with pytest.raises(OperationFailure, match="requires authentication"):
                attempt()


def test_redis_refuses_who_does_not_say_who_he_is(infos: dict[str, ServerInfo]) -> None:
    with Redis.from_url(without_credentials(infos["redis"].url)) as client, pytest.raises(AuthenticationError):
        client.get("perpetua:context:decisions:x")


@pytest.mark.parametrize(
    ("user", "may", "may_not"),
    [
        ("executor", "accounts", "decisions"),
        ("executor", "order_intents", "api_keys"),
        ("ledger", "decisions", "accounts"),
        ("ledger", "fills", "order_intents"),
        ("gateway", "alerts", "orders"),
        ("gateway", "alerts", "api_keys"),
    ],
)
def test_a_worker_writes_its_own_collections_alone(
    infos: dict[str, ServerInfo], user: str, may: str, may_not: str
) -> None:
    with mongo(infos["mongodb"].urls[user]) as client:
        client.perpetua[may].insert_one({"by": user})
        for write in (
            lambda: client.perpetua[may_not].insert_one({"by": user}),
            lambda: client.perpetua[may_not].update_many({}, {"$set": {"by": user}}),
            lambda: client.perpetua[may_not].delete_many({}),
            lambda: client.perpetua[may].drop(),
            lambda: client.other.things.insert_one({"by": user}),
        ):
            with pytest.raises(OperationFailure, match="not authorized"):
                write()


@pytest.mark.parametrize("user", ["executor", "ledger", "gateway"])
def test_api_keys_of_earlier_versions_are_the_administrators(infos: dict[str, ServerInfo], user: str) -> None:
    with mongo(infos["mongodb"].urls[user]) as client:
        with pytest.raises(OperationFailure, match="not authorized"):
            client.perpetua.api_keys.find_one()
        client.perpetua.decisions.find_one()


def test_a_worker_has_its_own_keys_in_redis_and_no_command_of_the_server(infos: dict[str, ServerInfo]) -> None:
    with (
        Redis.from_url(infos["redis"].urls["context"]) as context,
        Redis.from_url(infos["redis"].urls["decider"]) as decider,
        Redis.from_url(infos["redis"].urls["gateway"]) as gateway,
    ):
        gateway.incr("perpetua:rate:key:1")
        assert gateway.info("server")["redis_version"]
        context.set("perpetua:context:decisions:x", "1", px=1_000)
        decider.set("{perpetua:gate}:x", "1", px=1_000)
        decider.eval("return redis.call('SET', KEYS[1], '1')", 1, "perpetua:decider:x")
        for client, attempt in (
            (context, ("GET", "perpetua:decider:x")),
            (context, ("SET", "{perpetua:gate}:x", "2")),
            (context, ("EVAL", "return 1", "0")),
            (decider, ("GET", "perpetua:context:decisions:x")),
            (gateway, ("GET", "perpetua:decider:x")),
            (gateway, ("FLUSHALL",)),
            (gateway, ("CONFIG", "GET", "*")),
            (decider, ("FLUSHALL",)),
            (decider, ("CONFIG", "GET", "*")),
            (decider, ("ACL", "LIST")),
        ):
            with pytest.raises(NoPermissionError):
                client.execute_command(*attempt)
        with pytest.raises(RedisError, match="can't access at least one of the keys"):
            decider.eval("return redis.call('GET', 'perpetua:context:decisions:x')", 0)


async def test_a_publisher_brings_ticks_and_nothing_else(infos: dict[str, ServerInfo]) -> None:
    async with connected(infos["nats"].url) as bus:
        await provision_nats(bus.js)
        refused: list[str] = []
        heard = asyncio.Event()

        async def hear(error: Exception) -> None:
            refused.append(str(error))
            if "the.end" in str(error):
                heard.set()

        url = infos["nats"].url_of(PUBLISHER)
        publisher = await nats.connect(url, inbox_prefix=f"_INBOX_{PUBLISHER}", error_cb=hear)
        stored = await publisher.jetstream().publish("market.tick", b'{"symbol": "BTCUSDT", "price": 1}')
        for subject in ("decision.validated.main", "control.requested.all", "$KV.config.account.main", "the.end"):
            await publisher.publish(subject, b"{}")
        await asyncio.wait_for(heard.wait(), 10)
        await publisher.close()
        states = {one.config.name: one.state.messages for one in await bus.js.streams_info()}
    assert (stored.stream, len(refused)) == ("MARKET", 4)
    assert {name for name, count in states.items() if count} == {"MARKET"}


async def test_a_folder_from_before_there_were_users_starts_with_its_history(tmp_path: Path) -> None:
    with started(tmp_path, users=False) as before:
        async with connected(before["nats"].url) as bus:
            await provision_nats(bus.js)
            await bus.js.publish("order.filled.main", b"an order of old")
            await bus.kv_put("config", "account.main", b"an account of old")
        with mongo(before["mongodb"].url) as client:
            client.perpetua.accounts.insert_one({"_id": "main", "wallet": "an amount of old"})
    for _ in range(2):  # the first start makes the users, the second finds them
        with started(tmp_path) as now:
            async with connected(now["nats"].url) as bus:
                assert await check_nats(bus.js) == []
                assert (await bus.js.get_last_msg("ORDERS", "order.filled.main")).data == b"an order of old"
                entry = await bus.kv_get("config", "account.main")
                assert entry is not None
                assert entry.value == b"an account of old"
            with mongo(now["mongodb"].urls["executor"]) as client:
                assert client.perpetua.accounts.find_one() == {"_id": "main", "wallet": "an amount of old"}
            test_mongodb_refuses_who_does_not_say_who_he_is(now)


def test_new_passwords_are_taken_where_the_old_ones_were_deleted(tmp_path: Path) -> None:
    with started(tmp_path) as before:
        pass
    (tmp_path / "passwords.json").unlink()
    with started(tmp_path) as now:
        assert now["mongodb"].urls["ledger"] != before["mongodb"].urls["ledger"]
        with mongo(now["mongodb"].urls["ledger"]) as client:
            client.perpetua.fills.insert_one({"by": "ledger"})
