"""API keys against real servers: they open what they say, are made, listed, ended and carried over."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from libs.records.collections import API_KEYS
from libs.records.key_store import KeyStore, carry_over
from libs.records.keys import Scope, new_key, token_of
from services.gateway.adapters.nats_claims import NatsClaims
from tests.integration.serving import GENERATE, HISTORY, Running, running
from tests.pace import Watch

__all__ = ["running"]  # a fixture
pytestmark = pytest.mark.integration


async def test_keys_open_what_they_say_and_end_at_once(running: Running) -> None:
    token, now = token_of(secrets.token_bytes(32)), datetime.now(UTC)
    key = new_key(token, "beta only", [Scope.READ], now, accounts=["beta"], expires_at=now + timedelta(hours=1))
    store = KeyStore(running.gateway.bus)
    await store.add(key)
    mine = {"Authorization": f"Bearer {token}"}

    async def status(path: str, headers: dict[str, str]) -> int:
        return (await running.api.get(path, headers=headers)).status_code

    assert await status(HISTORY, {"Authorization": "Bearer perp_wrong"}) == 401
    await soon(lambda: status(HISTORY, mine), 200)
    assert await status("/api/v1/accounts/beta", mine) == 200
    assert await status("/api/v1/accounts/alpha", mine) == 404
    assert await status("/api/v1/accounts/gamma", mine) == 404
    assert (await running.api.post(GENERATE, json={"account_id": "beta"}, headers=mine)).status_code == 403
    assert await store.revoke(key.key_id, now)
    with Watch() as watch:
        await soon(lambda: status(HISTORY, mine), 401)
    assert watch.quiet_s < 5
    assert not await store.revoke(key.key_id, now)
    (stored,) = [one for one in await store.all() if one.key_id == key.key_id]
    assert (stored.revoked_at, stored.last_used_at is not None) == (now, True)
    assert token not in str(await store.all())


async def soon(look: Callable[[], Awaitable[int]], wanted: int) -> None:
    async with asyncio.timeout(60):
        while await look() != wanted:  # noqa: ASYNC110 - what a gateway has heard of is only seen by asking it
            await asyncio.sleep(0.02)


async def test_keys_are_made_listed_and_ended_over_http(running: Running) -> None:
    wanted = {"name": "beta's", "scopes": ["read"], "accounts": ["beta"]}
    headers = {"Idempotency-Key": "one-key"}
    made = (await running.api.post("/api/v1/keys", json=wanted, headers=headers)).json()
    again = (await running.api.post("/api/v1/keys", json=wanted, headers=headers)).json()
    assert (again["key_id"], again["token"]) == (made["key_id"], None)
    mine = {"Authorization": f"Bearer {made['token']}"}
    assert (await running.api.get("/api/v1/accounts/beta", headers=mine)).status_code == 200
    assert (await running.api.get("/api/v1/keys", headers=mine)).status_code == 403
    listed = (await running.api.get("/api/v1/keys")).text
    assert made["key_id"] in listed
    assert made["token"] not in listed
    assert (await running.api.delete(f"/api/v1/keys/{made['key_id']}")).status_code == 204
    assert (await running.api.get("/api/v1/accounts/beta", headers=mine)).status_code == 401


async def test_keys_of_earlier_versions_are_carried_over_once(running: Running) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    tokens = [token_of(secrets.token_bytes(32)) for _ in range(2)]
    for token, revoked in zip(tokens, (None, now), strict=True):
        key = new_key(token, "of old", [Scope.READ], now, accounts=["beta"])
        document = {
            "_id": key.key_id,
            "hash": key.hash,
            "name": key.name,
            "scopes": ["read"],
            "accounts": ["beta"],
            "created_at": now,
            "expires_at": None,
            "revoked_at": revoked,
            "last_used_at": None,
        }
        await running.db[API_KEYS].insert_one(document)
    store = KeyStore(running.gateway.bus)
    assert await carry_over(running.db, store) == 2
    assert await carry_over(running.db, store) == 0
    assert await running.db[API_KEYS].count_documents({}) == 0
    for token, status in zip(tokens, (200, 401), strict=True):
        mine = {"Authorization": f"Bearer {token}"}

        async def opened(mine: dict[str, str] = mine) -> int:
            return (await running.api.get("/api/v1/accounts/beta", headers=mine)).status_code

        await soon(opened, status)


async def test_what_was_made_once_is_not_made_again(running: Running) -> None:
    claims, now = NatsClaims(running.gateway.bus), datetime.now(UTC)
    first = await claims.claim("key-1", "k", "print", now)
    assert (first.mine, first.answer) == (True, None)
    await claims.done("key-1", "k", first, "made")
    again = await claims.claim("key-1", "k", "other", datetime.now(UTC))
    assert (again.mine, again.answer, again.fingerprint, again.first_seen) == (False, "made", "print", now)
    assert (await claims.claim("key-2", "k", "print", now)).mine
