"""What may stand in subjects and keys, and what may not."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.configuration.kv_store import KvConfigStore
from libs.runtime.bus import Bus
from libs.schemas.kv_keys import api_key_key, claim_key
from libs.schemas.names import ANY, is_key, key_of, names_one
from libs.schemas.subjects import candle, funding, note, tick


class Server:
    """Stands for the broker and its client: nothing may reach it."""

    @property
    def connection(self) -> "Server":
        return self

    def jetstream(self, **options: object) -> "Server":
        return self

    async def get_last_msg(self, *args: object, **options: object) -> None:
        raise AssertionError("it was asked for")


NO_KEYS = ["", ".", "a.b", "*", ">", "a b", "a\n", "a\0", "x" * 33, "ä", "a/b", "%2e"]


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_is_no_key_is_refused_wherever_one_is_made(text: str) -> None:
    assert not is_key(text)
    builders: list[Callable[[str], object]] = [key_of, api_key_key, lambda bad: claim_key("key-1", bad)]
    if text != ANY:
        builders += [tick, funding, lambda bad: candle(bad, "1m")]
        builders += [note] if text else []
    for build in builders:
        with pytest.raises(ValueError, match="is no key"):
            build(text)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True))
def test_what_is_a_key_stays_as_it_is(text: str) -> None:
    assert key_of(text) == text
    assert names_one(f"strategy.{text}.1")
    assert tick(text) == f"market.tick.{text}"


@pytest.mark.parametrize("key", ["", "*", "account.*", ">", "account.>", "a..b", ".a", "a.", "a b.c", "a\n"])
async def test_a_pattern_is_no_entry_of_a_bucket(key: str) -> None:
    assert not names_one(key)
    bus = Bus(cast(Any, Server()), "test")
    with pytest.raises(ValueError, match="names no single entry"):
        await bus.kv_get("config", key)
    with pytest.raises(ValueError, match="names no single entry"):
        await bus.kv_put("config", key, b"")
    with pytest.raises(ValueError, match="names no single entry"):
        await bus.kv_delete("config", key)
    for read in (KvConfigStore(bus).latest, KvConfigStore(bus).history):
        with pytest.raises(ValueError, match="is no key of the configuration"):
            await read(key)
