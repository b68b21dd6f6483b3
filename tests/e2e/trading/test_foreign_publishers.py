"""Anybody who has a socket and JSON may publish ticks, beside the feed: served when right, put aside when wrong."""

import asyncio
import itertools
import json
from dataclasses import dataclass

import pytest
import pytest_asyncio

from libs.runtime.reader import Record
from libs.schemas.dead import DeadLetter
from libs.schemas.reasons import DeadLetterCode as Code
from tests.chaos.pipeline import until
from tests.e2e.running import Running
from tests.e2e.wire import RawPublisher

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="package"),
]
KIB = 1024
LETTERS = "dead.MARKET.context-ticks"
FLOOD = 5_000
GROWTH_MIB = 100.0


@dataclass(frozen=True)
class Bad:
    """A message that is no tick, and what its dead letter says."""

    body: bytes
    code: Code
    field: str | None
    says: str
    subject: str = "market.tick.BTCUSDT"


def btc(rest: str) -> bytes:
    return f'{{"symbol": "BTCUSDT", {rest}}}'.encode()


BAD = {
    "half of an object": Bad(
        b'{"symbol": "BTCUSDT", "price": 1', Code.MALFORMED, None, "Invalid JSON: EOF", "market.tick"
    ),
    "nothing at all": Bad(b"", Code.MALFORMED, None, "Invalid JSON: EOF"),
    "no price": Bad(btc('"size": 1'), Code.INVALID, "price", "Field required"),
    "no symbol, nor one in the subject": Bad(b'{"price": 1}', Code.INVALID, "symbol", "Field required", "market.tick"),
    "no symbol but in the subject": Bad(b'{"price": 1}', Code.INVALID, "symbol", "Field required"),
    "a price that is not a number": Bad(btc('"price": NaN'), Code.INVALID, "price", "should be a finite number"),
    "a price beyond all floats": Bad(btc('"price": 1e999'), Code.INVALID, "price", "should be a finite number"),
    "an infinite bid": Bad(btc('"price": 1, "bid": Infinity'), Code.INVALID, "bid", "should be a finite number"),
    "a negative price": Bad(btc('"price": -1'), Code.INVALID, "price", "should be greater than"),
    "a price in words": Bad(btc('"price": "cheap"'), Code.INVALID, "price", "should be a valid number"),
    "the far future": Bad(
        btc('"price": 1, "ts": "2031-01-01T00:00:00Z"'), Code.FUTURE, "ts", "leave ts out to use arrival time"
    ),
    "a time without an offset": Bad(
        btc('"price": 1, "ts": "2025-01-01T00:00:00"'), Code.INVALID, "ts", "should have timezone info"
    ),
    "another symbol than the subject": Bad(
        btc('"price": 1'),
        Code.SUBJECT_MISMATCH,
        "symbol",
        "the body is about BTCUSDT, the subject about ETHUSDT",
        "market.tick.ETHUSDT",
    ),
    "a symbol with a slash": Bad(
        b'{"symbol": "BTC/USDT", "price": 1}',
        Code.INVALID,
        "symbol",
        "BTC/USDT is BTCUSDT here",
        "market.tick.BTC/USDT",
    ),
    "20 KiB": Bad(btc(f'"price": 1, "x": "{"x" * 20 * KIB}"'), Code.OVERSIZED, None, "at most 16384"),
    "2 MiB": Bad(btc(f'"price": 1, "x": "{"x" * 2 * KIB * KIB}"'), Code.OVERSIZED, None, "at most 16384"),
    "bytes that are no text": Bad(b'{"symbol": "BTC\xff\xfe", "price": 1}', Code.MALFORMED, None, "unicode"),
    "a list": Bad(b'[{"symbol": "BTCUSDT", "price": 1}]', Code.INVALID, None, "should be an object"),
    "100 KiB of brackets": Bad(b"[" * 50 * KIB + b"]" * 50 * KIB, Code.OVERSIZED, None, "at most 16384"),
    "14 KiB of brackets": Bad(b"[" * 7 * KIB + b"]" * 7 * KIB, Code.MALFORMED, None, "recursion limit"),
    "deep in an unknown field": Bad(
        btc(f'"price": 1, "x": {"[" * 7 * KIB}{"]" * 7 * KIB}'), Code.MALFORMED, None, "recursion limit"
    ),
    "a schema of tomorrow": Bad(btc('"price": 1, "schema_version": 2'), Code.INVALID, "schema_version", "should be 1"),
}


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def letters(run: Running) -> dict[str, tuple[DeadLetter, Record]]:
    """The dead letter of each bad message; they come in the order in which one connection has sent them."""
    before = run.pids()
    async with run.following("DEAD", LETTERS) as found:
        with run.publisher() as publisher:
            for bad in BAD.values():
                publisher.publish(bad.subject, bad.body)
            publisher.flush()
        await until(lambda: len(found) >= len(BAD), "a dead letter for each bad message")
        await run.pipeline.progress(3)
    assert run.pids() == before, "a worker was restarted"
    parsed = [(DeadLetter.model_validate_json(record.data), record) for record in found]
    return dict(zip(BAD, sorted(parsed, key=lambda one: one[0].sequence), strict=True))


async def served(run: Running, publisher: RawPublisher, subject: str, symbol: str) -> None:
    """Publish prices of our own until one is in a context; each differs from the market's by a hair. They bear the name
    of the source that counts: a symbol has one at a time."""
    ours: set[float] = set()

    def current(record: Record) -> float | None:
        asset = json.loads(record.data)["market_data"]["assets"].get(symbol)
        return float(asset["current_price"]) if asset else None

    async with run.following("CONTEXTS", "context.built.*") as contexts, asyncio.timeout(60):
        await until(lambda: any(current(one) for one in contexts), f"a context with {symbol}")
        price = current(contexts[-1]) or 0.0
        for n in itertools.count(1):
            ours.add(round(price * (1 + n * 1e-7), 7))
            publisher.tick(subject, symbol=symbol, price=round(price * (1 + n * 1e-7), 7), source="synthetic")
            if any(current(one) in ours for one in contexts):
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("subject", "symbol"), [("market.tick", "BTCUSDT"), ("market.tick.ETHUSDT", "ETHUSDT")])
async def test_a_symbol_a_price_and_its_source_are_enough_to_be_in_the_next_context(
    run: Running, subject: str, symbol: str
) -> None:
    with run.publisher() as publisher:
        await served(run, publisher, subject, symbol)


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_message_ends_as_one_dead_letter_that_says_what_is_wrong(
    letters: dict[str, tuple[DeadLetter, Record]], name: str
) -> None:
    letter, record = letters[name]
    bad = BAD[name]
    assert (letter.error.code, letter.error.field) == (bad.code, bad.field)
    assert bad.says in letter.error.message
    assert (letter.stream, letter.durable, letter.subject) == ("MARKET", "context-ticks", bad.subject)
    assert (letter.dead_letter_id, letter.deliveries) == (f"MARKET:{letter.sequence}", 1)
    assert (record.headers or {})["Nats-Msg-Id"] == f"dead.MARKET:{letter.dead_letter_id}"
    assert letter.body_truncated == (len(bad.body) > 100_000)
    if letter.body_encoding == "utf-8":
        assert bad.body.decode().startswith(letter.body)


async def test_the_command_lists_and_shows_what_was_put_aside(
    run: Running, letters: dict[str, tuple[DeadLetter, Record]]
) -> None:
    listed = await run.perpetua("dead", "list")
    assert len(listed.splitlines()) == len(BAD)
    for line, bad in zip(listed.splitlines(), BAD.values(), strict=True):
        assert f"{bad.subject}  -> context-ticks  {bad.code}:" in line
        assert bad.says in line
    for name in ("no price", "bytes that are no text"):
        letter, record = letters[name]
        shown = await run.perpetua("dead", "show", letter.dead_letter_id)
        assert letter.error.message in shown
        assert letter.body in shown
        assert ("field price" in shown) == (name == "no price")
        assert shown == await run.perpetua("dead", "show", str(record.sequence))


async def test_a_flood_of_bad_ticks_is_put_aside_whole_while_decisions_go_on(
    run: Running, letters: dict[str, tuple[DeadLetter, Record]]
) -> None:
    before, memory = run.pids(), run.rss_mib()
    stored = await run.metric("context", "perpetua_context_dead_letters_total", outcome="stored")
    async with run.following("DEAD", LETTERS) as found:
        with run.publisher() as publisher:
            for n in range(FLOOD):
                publisher.publish("market.tick.BTCUSDT", btc(f'"price": -{n}'))
            publisher.flush()
            await run.pipeline.progress(3)
            await served(run, publisher, "market.tick.BTCUSDT", "BTCUSDT")
        await until(lambda: len(found) >= FLOOD, "a dead letter for each tick of the flood")
    ids = [DeadLetter.model_validate_json(record.data).dead_letter_id for record in found]
    assert len(set(ids)) == len(ids) == FLOOD
    assert not set(ids) & {letter.dead_letter_id for letter, _ in letters.values()}
    assert await run.metric("context", "perpetua_context_dead_letters_total", outcome="stored") == stored + FLOOD
    assert await run.metric("context", "perpetua_context_dead_letters_total", outcome="dropped") == 0
    assert await run.metric("validator", "perpetua_validator_bad_ticks") >= FLOOD
    assert await run.metric("executor", "perpetua_executor_ticks_bad") >= FLOOD
    grown = {name: size - memory[name] for name, size in run.rss_mib().items()}
    assert max(grown.values()) < GROWTH_MIB, grown
    assert run.pids() == before
    assert run.pipeline.run.supervisor.restarts == 0
