"""Signing in to the page: by a key or by a ticket that works once, for a key that ends."""

from dataclasses import replace
from datetime import timedelta

from libs.records.keys import token_hash
from tests.fakes.gateway_ports import Gateway

SIGN_IN = "/api/v1/sign-in"
TICKETS = f"{SIGN_IN}/tickets"


async def ticket_of(gateway: Gateway, key: str = "admin") -> str:
    answer = await gateway.call("POST", TICKETS, key=key)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


async def by_ticket(gateway: Gateway, ticket: str, method: str = "POST", path: str = SIGN_IN) -> tuple[int, str]:
    answer = await gateway.call(method, path, key=None, headers={"Authorization": f"Ticket {ticket}"})
    return answer.status_code, answer.json().get("token") or answer.json()["type"].rpartition(":")[2]


async def signed_in(gateway: Gateway, key: str = "admin") -> str:
    answer = await gateway.call("POST", SIGN_IN, key=key)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def test_a_ticket_signs_in_once() -> None:
    gateway = Gateway()
    ticket = await ticket_of(gateway)
    status, token = await by_ticket(gateway, ticket)
    assert (status, (await gateway.call("GET", "/api/v1/accounts", key=token)).status_code) == (201, 200)
    assert await by_ticket(gateway, ticket) == (401, "ticket-unknown")


async def test_a_ticket_ends_after_an_hour() -> None:
    gateway = Gateway()
    ticket = await ticket_of(gateway)
    gateway.clock.elapsed += 3601
    assert await by_ticket(gateway, ticket) == (401, "ticket-unknown")


async def test_a_ticket_that_cannot_be_looked_at_is_tried_again_later() -> None:
    gateway = Gateway()
    ticket = await ticket_of(gateway)
    gateway.tickets.away = True
    assert await by_ticket(gateway, ticket) == (503, "dependency-away")
    stream = (await gateway.call("POST", "/api/v1/stream/tickets")).json()["ticket"]
    assert (await gateway.call("GET", "/api/v1/stream", key=None, params={"ticket": stream})).status_code == 503
    gateway.tickets.away = False
    assert (await by_ticket(gateway, ticket))[0] == 201


async def test_a_ticket_of_the_page_opens_nothing_else() -> None:
    gateway = Gateway()
    ticket = await ticket_of(gateway)
    assert await by_ticket(gateway, ticket, "GET", "/api/v1/accounts") == (401, "key-missing")
    assert await by_ticket(gateway, ticket, "POST", TICKETS) == (401, "key-missing")
    stream = await gateway.call("GET", "/api/v1/stream", key=None, params={"ticket": ticket})
    assert stream.status_code == 422


async def test_a_ticket_of_a_stream_does_not_sign_in() -> None:
    gateway = Gateway()
    ticket = (await gateway.call("POST", "/api/v1/stream/tickets")).json()["ticket"]
    assert await by_ticket(gateway, ticket) == (401, "key-missing")


async def test_what_is_signed_in_may_what_its_key_may_and_no_more() -> None:
    gateway = Gateway()
    token = await signed_in(gateway, "beta")
    own = (await gateway.call("GET", SIGN_IN, key=token)).json()
    made = (await gateway.call("GET", SIGN_IN, key="beta")).json()
    assert (own["scopes"], own["accounts"]) == (made["scopes"], made["accounts"])
    assert (await gateway.call("GET", "/api/v1/accounts/alpha", key=token)).status_code == 404
    assert (await gateway.call("GET", "/api/v1/keys", key=token)).status_code == 403


async def test_it_ends_after_twelve_hours() -> None:
    gateway = Gateway()
    token = await signed_in(gateway)
    gateway.clock.elapsed += timedelta(hours=12).total_seconds()
    answer = await gateway.call("GET", SIGN_IN, key=token)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (401, "key-expired")


async def test_it_ends_with_the_key_that_it_came_from() -> None:
    gateway = Gateway()
    token = await signed_in(gateway, "beta")
    again = await signed_in(gateway, token)
    parent = next(key for key in gateway.keys.by_hash.values() if key.hash == parent_of(gateway, token))
    gateway.keys.by_hash[parent.hash] = replace(parent, revoked_at=gateway.clock.wall())
    for each in (token, again):
        answer = await gateway.call("GET", SIGN_IN, key=each)
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (401, "key-revoked")


def parent_of(gateway: Gateway, token: str) -> str | None:
    return gateway.keys.by_hash[token_hash(token)].parent


async def test_signing_out_ends_it_and_leaves_a_key_that_was_made() -> None:
    gateway = Gateway()
    token = await signed_in(gateway)
    assert (await gateway.call("DELETE", SIGN_IN, key=token)).status_code == 204
    assert (await gateway.call("GET", SIGN_IN, key=token)).status_code == 401
    assert (await gateway.call("DELETE", SIGN_IN)).status_code == 204
    assert (await gateway.call("GET", SIGN_IN)).status_code == 200
