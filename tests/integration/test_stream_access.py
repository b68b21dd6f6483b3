"""Who may open a stream, what it shows, and when it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from libs.records.key_store import KeyStore
from libs.records.keys import Scope
from libs.schemas.analytics import Alert
from tests.fakes.ledger_chain import Chain
from tests.integration.streaming import STREAM, Listening, client, listening
from tests.pace import PATIENCE_S, Watch

pytestmark = pytest.mark.integration


@pytest.fixture
async def gateway(nats_url: str) -> AsyncIterator[Listening]:
    async with listening(nats_url) as found:
        yield found


def alert(account_id: str | None) -> tuple[str, Alert]:
    body = Alert(
        alert_id=f"alert-{account_id}",
        account_id=account_id,
        kind="abstain_rate",
        severity="warning",
        message="look",
        created_at=datetime.now(UTC),
    )
    return f"alert.raised.{account_id or 'global'}", body


async def test_a_key_of_one_account_hears_of_no_other_and_of_nothing_that_is_everybodys(gateway: Listening) -> None:
    token, _ = await gateway.key(accounts=["beta"])
    async with client(gateway, token) as beta, client(gateway, gateway.admin, "account_id=alpha") as alpha:
        everything = await gateway.publish(Chain()) + await gateway.publish(Chain(account="beta"))
        await gateway.store([alert(None), alert("alpha"), alert("beta")])
        await beta.until(lambda one: len(one.events) == everything / 2 + 1)
        await alpha.until(lambda one: len(one.events) == everything / 2 + 1)
    assert {event["account_id"] for event in beta.events} == {"beta"}
    assert {event["account_id"] for event in alpha.events} == {"alpha"}
    assert beta.events[-1]["data"]["alert_id"] == "alert-beta"


async def test_going_on_shows_no_more_than_going_along(nats_url: str, gateway: Listening) -> None:
    token, _ = await gateway.key(accounts=["beta"])
    async with client(gateway, gateway.admin) as all_of_them:
        begin = all_of_them.last_id
    await gateway.publish(Chain())
    count = await gateway.publish(Chain(account="beta"))
    async with listening(nats_url) as other, client(other, token, "", begin) as beta:
        await beta.until(lambda one: len(one.events) == count)
        await other.publish(Chain(request_id="more"))
        count += await other.publish(Chain(account="beta", request_id="more"))
        await beta.until(lambda one: len(one.events) == count)
    assert {event["account_id"] for event in beta.events} == {"beta"}


async def test_a_key_that_is_revoked_ends_its_streams_at_once(gateway: Listening) -> None:
    token, key = await gateway.key()
    async with client(gateway, token) as seen, client(gateway, gateway.admin) as other:
        with Watch() as watch:
            await KeyStore(gateway.worker.bus).revoke(key.key_id, datetime.now(UTC))
            await seen.until(lambda one: one.closed is not None)
        assert other.closed is None
    assert seen.closed == (4401, "key-revoked")
    assert seen.said[-1]["data"]["reason"] == "key-revoked"
    assert watch.quiet_s < 5


async def test_a_key_that_expires_ends_its_streams(gateway: Listening) -> None:
    token, _ = await gateway.key(expires_at=datetime.now(UTC) + timedelta(seconds=5))
    async with client(gateway, token) as seen:
        await seen.until(lambda one: one.closed is not None)
    assert seen.closed == (4401, "key-expired")


async def refusal(gateway: Listening, query: str = "", *, name: str = "127.0.0.1", **headers: str) -> tuple[int, str]:
    """What a WebSocket that is not opened is answered."""
    place = gateway.socket(query).replace("127.0.0.1", name)
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            place,
            host="127.0.0.1",
            port=gateway.port,
            additional_headers=headers,
            proxy=None,
            open_timeout=PATIENCE_S,
        )
    response = refused.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body or b"")["type"].rpartition(":")[2]


async def test_who_may_not_is_refused_before_there_is_a_stream(gateway: Listening) -> None:
    beta, _ = await gateway.key(accounts=["beta"])
    publisher, _ = await gateway.key(scopes=[Scope.PUBLISH])

    async def with_key(token: str, query: str = "") -> tuple[int, str]:
        return await refusal(gateway, query, Authorization=f"Bearer {token}")

    assert await with_key("perp_wrong") == (401, "key-unknown")
    assert await refusal(gateway, "ticket=once_" + "a" * 32) == (401, "ticket-unknown")
    assert await refusal(gateway, f"key={beta}") == (422, "invalid-request")
    assert await with_key(gateway.admin, "channels=decisions&channels=orders") == (422, "invalid-request")
    assert await with_key(gateway.admin, "channels=everything") == (422, "invalid-request")
    assert await with_key(gateway.admin, "last_event_id=7") == (422, "invalid-request")
    assert await refusal(gateway, name="elsewhere") == (421, "unknown-host")
    async with client_closing(gateway, publisher) as closed:
        assert closed == (4403, "scope-missing")
    async with client_closing(gateway, beta, "account_id=alpha") as closed:
        assert closed == (4404, "not-found")


class client_closing:
    """How a stream is closed that was opened and refused."""

    def __init__(self, gateway: Listening, token: str, query: str = "") -> None:
        self._gateway, self._token, self._query = gateway, token, query

    async def __aenter__(self) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self._token}"}
        return await closed_by(self._gateway, self._query, None, headers)

    async def __aexit__(self, *_: object) -> None:
        return


async def closed_by(
    gateway: Listening, query: str, first: Any, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    async with connect(
        gateway.socket(query), additional_headers=headers, proxy=None, open_timeout=PATIENCE_S
    ) as socket:
        if first is not None:
            await socket.send(json.dumps(first) if not isinstance(first, str) else first)
        with pytest.raises(ConnectionClosed) as ended:
            await socket.recv()
    assert ended.value.rcvd is not None
    return ended.value.rcvd.code, ended.value.rcvd.reason


@pytest.mark.parametrize(
    ("first", "closed"),
    [
        ({"type": "auth", "key": "perp_wrong"}, (4401, "key-unknown")),
        ({"type": "auth"}, (4401, "key-missing")),
        ({"type": "hello"}, (4422, "invalid-request")),
        ("no json", (4422, "invalid-request")),
        ("[" * 10_000, (4422, "invalid-request")),
    ],
)
async def test_a_first_message_that_is_no_key_ends_it(gateway: Listening, first: Any, closed: tuple[int, str]) -> None:
    assert await closed_by(gateway, "", first) == closed


async def test_the_key_may_be_the_first_message(gateway: Listening) -> None:
    async with connect(gateway.socket(), proxy=None, open_timeout=PATIENCE_S) as socket:
        await socket.send(json.dumps({"type": "auth", "key": gateway.admin}))
        assert json.loads(await socket.recv())["type"] == "stream.opened"
        await gateway.publish(Chain())
        assert json.loads(await socket.recv())["type"] == "decision.proposed"


async def test_a_ticket_opens_one_stream_once_with_the_rights_of_its_key(gateway: Listening) -> None:
    token, key = await gateway.key(accounts=["beta"])
    async with httpx.AsyncClient(base_url=gateway.http, timeout=PATIENCE_S) as api:
        mine = {"Authorization": f"Bearer {token}"}
        made = (await api.post(f"{STREAM}/tickets", headers=mine)).json()
        assert made["expires_in"] == 30
        assert (await api.get("/api/v1/accounts", params={"ticket": made["ticket"]})).status_code == 401
        async with api.stream("GET", STREAM, params={"ticket": made["ticket"]}) as answer:
            assert answer.status_code == 200
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith("id: ")
            await gateway.publish(Chain())
            await gateway.publish(Chain(account="beta"))
            kinds = [line async for line in until(lines, "data: ", 3)]
            assert all('"account_id":"beta"' in line for line in kinds[1:])
        assert (await api.get(STREAM, params={"ticket": made["ticket"]})).status_code == 401
        assert await refusal(gateway, f"ticket={made['ticket']}") == (401, "ticket-unknown")
        late = (await api.post(f"{STREAM}/tickets", headers=mine)).json()
        await KeyStore(gateway.worker.bus).revoke(key.key_id, datetime.now(UTC))
        while (await api.get("/api/v1/accounts", headers=mine)).status_code != 401:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert (await api.get(STREAM, params={"ticket": late["ticket"]})).status_code == 401


async def until(lines: AsyncIterator[str], begin: str, count: int) -> AsyncIterator[str]:
    async for line in lines:
        if line.startswith(begin):
            yield line
            count -= 1
            if not count:
                return


async def test_only_so_many_streams_are_open_at_once(nats_url: str) -> None:
    async with listening(nats_url, gateway_streams=1) as gateway, client(gateway, gateway.admin):
        async with client_closing(gateway, gateway.admin) as closed:
            assert closed == (4503, "too-many-streams")
        async with httpx.AsyncClient(base_url=gateway.http, timeout=PATIENCE_S) as api:
            answer = await api.get(STREAM, headers={"Authorization": f"Bearer {gateway.admin}"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
