"""The command's parts that talk to real servers."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.ask import api_keys
from cli.ask.board import Screen
from cli.ask.dead import dead_letters, list_line, pick_letter, show_lines
from cli.ask.observe import Observer, lag_of, lags
from cli.connection import connected
from cli.embedded.servers import Servers
from cli.errors import CliError
from cli.files import read_token
from cli.run.access import ensure_api_key
from cli.run.keeper import Keeper
from cli.run.seed import read_all, seed
from libs.records.key_store import KeyStore
from libs.records.keys import key_id_of
from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from libs.schemas.account import Account
from libs.schemas.dead import DeadLetter, DeadLetterError
from libs.schemas.kv_keys import api_key_key
from libs.schemas.names import key_of
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.subjects import KV_KEYS
from tests.fakes.context_values import candle, tick

pytestmark = pytest.mark.integration
AT = datetime(2025, 5, 15, 3, 12, tzinfo=UTC)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with connected(nats_url) as made:
        await provision_nats(made.js)
        yield made


def letter(number: int) -> Emit:
    body = DeadLetter(
        dead_letter_id=f"MARKET:{number}",
        subject="market.tick.BTCUSDT",
        headers={"ce-source": "elsewhere"},
        body='{"price": -1}',
        stream="MARKET",
        durable="context-ticks",
        sequence=number,
        error=DeadLetterError(code=DeadLetterCode.INVALID, field="price", message="should be greater than 0"),
        deliveries=1,
        at=AT,
    )
    return Emit(subjects.dead("MARKET", "context-ticks"), body)


def perpetua(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PERPETUA_") and key != "NATS_URL"}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        capture_output=True,
        text=True,
        env=clean | env,
        timeout=120,
        check=False,
    )


async def test_dead_letters_are_listed_and_shown_with_the_field_that_is_wrong(bus: Bus, nats_url: str) -> None:
    for number in (1, 2, 13):
        await bus.publish(letter(number))
    found = await dead_letters(nats_url)
    assert [one.number for one in found] == [1, 2, 3]
    assert "market.tick.BTCUSDT  -> context-ticks  invalid: price: should be greater than 0" in list_line(found[0])
    assert [one.number for one in await dead_letters(nats_url, limit=2)] == [2, 3]
    assert pick_letter(found, "3").letter == pick_letter(found, "MARKET:13").letter
    shown = "\n".join(show_lines(pick_letter(found, "MARKET:2")))
    assert '{"price": -1}' in shown
    assert "field price" in shown
    with pytest.raises(CliError, match="2 dead letters begin with MARKET:"):
        pick_letter([found[0], found[2]], "MARKET:")
    with pytest.raises(CliError, match="no dead letter"):
        pick_letter(found, "nothing")


async def test_the_command_lists_dead_letters_of_the_bus_that_the_environment_names(
    bus: Bus, nats_url: str, tmp_path: Path
) -> None:
    options = ("--state-dir", str(tmp_path))
    empty = await asyncio.to_thread(perpetua, "dead", "list", *options, NATS_URL=nats_url)
    assert (empty.returncode, empty.stdout) == (0, "no dead letters\n")
    await bus.publish(letter(7))
    shown = await asyncio.to_thread(perpetua, "dead", "show", "MARKET:7", *options, NATS_URL=nats_url)
    assert shown.returncode == 0, shown.stderr
    assert "market.tick.BTCUSDT" in shown.stdout


async def test_the_command_shows_the_market_of_the_bus_that_the_environment_names(
    bus: Bus, nats_url: str, tmp_path: Path
) -> None:
    for minute in (0, 1, 4):
        made = candle(minute)
        await bus.publish(Emit(subjects.candle(made.symbol, made.timeframe), made))
    await bus.js.publish(subjects.tick("BTCUSDT"), tick(250, 101.5).model_dump_json().encode())
    options = ("--state-dir", str(tmp_path), "--json")
    shown = await asyncio.to_thread(perpetua, "market", *options, NATS_URL=nats_url)
    assert shown.returncode == 0, shown.stderr
    (row,) = json.loads(shown.stdout)["symbols"]
    assert (row["symbol"], row["price"], row["candles"], row["mismatches"]) == ("BTCUSDT", 101.5, {"1m": 3}, None)
    assert [(gap["timeframe"], gap["candles"]) for gap in row["gaps"]] == [("1m", 2)]
    nothing = await asyncio.to_thread(perpetua, "market", "--state-dir", str(tmp_path))
    assert (nothing.returncode, nothing.stderr.splitlines()[0]) == (1, "error: nothing runs here")


async def test_what_others_put_into_the_stream_is_listed_too(bus: Bus, nats_url: str) -> None:
    await bus.js.publish("dead.MARKET.somebody", b"not a letter")
    (found,) = await dead_letters(nats_url)
    assert found.letter is None
    assert "not a DeadLetter" in list_line(found)
    assert "not a letter" in "\n".join(show_lines(found))


async def test_configuration_is_seeded_once_and_again_only_when_a_file_changed(bus: Bus, tmp_path: Path) -> None:
    remembered = tmp_path / "seeded.json"
    wanted = read_all(("BTCUSDT", "ETHUSDT"))
    assert sorted(await seed(bus, wanted, remembered)) == sorted(wanted)
    assert await seed(bus, wanted, remembered) == []
    key = subjects.account_key(key_of("scalping"))
    entry = await bus.kv_get("config", key)
    assert entry is not None
    by_api = Account.model_validate_json(entry.value).model_copy(update={"strategy_id": "swing", "version": 5})
    await bus.kv_put("config", key, by_api)
    assert await seed(bus, wanted, remembered) == []
    changed = wanted | {key: Account.model_validate_json(entry.value).model_copy(update={"rate_limit": 7})}
    assert await seed(bus, changed, remembered) == [key]
    stored = await bus.kv_get("config", key)
    assert stored is not None
    account = Account.model_validate_json(stored.value)
    assert (account.version, account.rate_limit, account.symbols) == (6, 7, ("BTCUSDT", "ETHUSDT"))
    assert await bus.kv_get("config", subjects.strategy_key(key_of("aggressive"), 1)) is not None


async def test_configuration_of_somebody_elses_bus_stays(bus: Bus, tmp_path: Path) -> None:
    wanted = read_all(("BTCUSDT",))
    key = subjects.account_key(key_of("aggressive"))
    account = wanted[key]
    assert isinstance(account, Account)
    await bus.kv_put("config", key, account.model_copy(update={"rate_limit": 99}))
    assert key not in await seed(bus, wanted, tmp_path / "seeded.json")


async def test_a_word_of_ours_in_the_files_is_refused_where_it_is_new(bus: Bus, tmp_path: Path) -> None:
    wanted = read_all(("BTCUSDT",))
    account = wanted["account.aggressive"]
    assert isinstance(account, Account)
    named = {"account.all": account.model_copy(update={"account_id": "all"})}
    with pytest.raises(CliError, match="all is a word of ours"):
        await seed(bus, named, tmp_path / "seeded.json")
    await bus.kv_put("config", "account.all", named["account.all"])
    assert await seed(bus, named, tmp_path / "seeded.json") == []


async def test_an_admin_key_is_made_once_and_again_when_it_was_revoked(bus: Bus, tmp_path: Path) -> None:
    file, store = tmp_path / "api_key", KeyStore(bus)
    assert await ensure_api_key(store, file) is True
    first = read_token(file)
    assert first is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await ensure_api_key(store, file) is False
    assert read_token(file) == first
    entry = await bus.kv_get(KV_KEYS.name, api_key_key(key_id_of(first)))
    assert entry is not None
    assert first not in entry.value.decode()
    assert await store.revoke(key_id_of(first), datetime.now(UTC))
    assert await ensure_api_key(store, file) is True
    assert read_token(file) != first


async def test_keys_are_made_listed_and_ended_by_the_command(bus: Bus, nats_url: str) -> None:
    first, token = await api_keys.create(nats_url, "mine", ["read", "trade"], ["alpha"], 1)
    await api_keys.create(nats_url, "other", ["admin"], [], None)
    assert key_id_of(token) == first.key_id
    keys, now = await api_keys.listed(nats_url), datetime.now(UTC)
    assert [(key.name, key.accounts) for key in keys] == [("mine", frozenset({"alpha"})), ("other", None)]
    assert "works     read trade  alpha  never used  mine" in api_keys.line(keys[0], now)
    assert token not in json.dumps([api_keys.in_json(key, now) for key in keys])
    assert await api_keys.revoke(nats_url, [first.key_id]) == [first.key_id]
    assert await api_keys.revoke(nats_url, None) == [keys[1].key_id]
    assert {str(key.refusal(now + timedelta(seconds=1))) for key in await api_keys.listed(nats_url)} == {"revoked"}
    for wrong in (["read", "write"], [""]):
        with pytest.raises(CliError, match="is no scope"):
            await api_keys.create(nats_url, "x", wrong, [], None)
    with pytest.raises(CliError, match="is no name"):
        await api_keys.create(nats_url, "x", ["read"], ["a.b"], None)
    with pytest.raises(CliError, match="there is no key"):
        await api_keys.revoke(nats_url, ["key-0"])


async def test_the_observer_counts_what_happens_from_its_start_on(bus: Bus) -> None:
    rejected = {"arm": {"shadow": False}, "rejected_at": AT.isoformat(), "reason": "no_market"}

    async def happen() -> None:
        for subject, body in (
            ("market.tick.BTCUSDT", {"symbol": "BTCUSDT", "price": 103_245.2}),
            ("market.tick.BTCUSDT", {"symbol": "BTCUSDT", "price": 103_246.2}),
            ("market.funding.BTCUSDT", {"symbol": "BTCUSDT"}),
            ("context.built.a", {}),
            ("decision.rejected.a", rejected),
            ("order.placed.a", {}),
            ("order.filled.a", {}),
            ("dead.MARKET.context-ticks", {}),
        ):
            await bus.js.publish(subject, json.dumps(body).encode())

    await happen()
    board = Screen("real", "http://x", "key", 60)
    said: list[str] = []
    observer = Observer(
        bus, board, ("BTCUSDT", "ETHUSDT"), on_decision=lambda rows: said.extend(row.text for row in rows)
    )
    await observer.start()
    try:
        await happen()
        await observer.settle()
    finally:
        await observer.stop()
    counts = board.counts
    assert (counts.ticks, counts.contexts, counts.decisions) == (2, 1, 1)
    assert (counts.orders, counts.fills, counts.dead_letters) == (1, 1, 1)
    assert said == ["no_market"]


async def test_one_look_shows_prices_and_what_waits_per_worker(bus: Bus) -> None:
    await bus.js.publish("market.tick.BTCUSDT", b'{"symbol": "BTCUSDT", "price": 103245.2}')
    await bus.js.publish("market.tick.ETHUSDT", b"no tick at all")
    await bus.js.publish("decision.requested.a", b"{}")
    board = Screen("real", "http://x", "key", 60)
    observer = Observer(bus, board, ("BTCUSDT", "ETHUSDT", "SOLUSDT"))
    try:
        await observer.look_once()
    finally:
        await observer.stop()
    assert {symbol: row.price for symbol, row in board.prices.items()} == {"BTCUSDT": 103_245.2}
    assert lag_of("context", await lags(bus)) == 1
    assert lag_of("feed", observer.lags) is None


async def test_a_server_that_was_killed_is_started_again_and_said(own_servers: Servers) -> None:
    said: list[str] = []
    keeper = Keeper(own_servers, said.append)
    keeper.start()
    try:
        own_servers.signal("redis", 9)
        async with asyncio.timeout(60):
            while keeper.restarts != {"redis": 1}:  # noqa: ASYNC110 - a server's life has no event
                await asyncio.sleep(0.05)
    finally:
        await keeper.stop()
    assert said == ["redis ended with code -9; starting it again", "redis is back"]
    assert own_servers.poll()["redis"] is None
