"""Why a stream ends, and what its client is told."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from libs.records.keys import ApiKey
from services.gateway.application import streams as application
from tests.fakes.gateway_ports import Gateway
from tests.unit.gateway.test_streams import Stream


def revoked(gateway: Gateway, key: ApiKey) -> None:
    gateway.keys.by_hash[key.hash] = replace(key, revoked_at=gateway.clock.wall())


def expired(gateway: Gateway, key: ApiKey) -> None:
    gateway.keys.by_hash[key.hash] = replace(key, expires_at=gateway.clock.wall())


def unknown(gateway: Gateway, key: ApiKey) -> None:
    del gateway.keys.by_hash[key.hash]


def out_of_touch(gateway: Gateway, key: ApiKey) -> None:
    gateway.keys.follows = False


def made_anew(gateway: Gateway, key: ApiKey) -> None:
    gateway.streams.ring = None


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (revoked, "key-revoked"),
        (expired, "key-expired"),
        (unknown, "key-unknown"),
        (out_of_touch, "keys-out-of-touch"),
        (made_anew, "log-restarted"),
    ],
)
async def test_a_stream_ends_for_a_reason(happens: Callable[[Gateway, ApiKey], None], reason: str) -> None:
    gateway = Gateway()
    async with Stream(gateway, "reader") as stream:
        await stream.next()
        happens(gateway, stream.key)
        assert (await stream.next())["data"]["reason"] == reason
    ends = gateway.registry.get_sample_value("perpetua_gateway_stream_ends_total", {"reason": reason})
    assert (ends, gateway.registry.get_sample_value("perpetua_gateway_streams")) == (1, 0)


async def test_a_client_that_takes_nothing_is_cut() -> None:
    gateway = Gateway()
    async with Stream(gateway) as stream:
        stream.session.sending_since = gateway.clock.monotonic()
        gateway.clock.advance(application.STALLED_S + 1)
        await stream.next()
        assert (await stream.next())["data"]["reason"] == "too-slow"
        assert stream.cuts > 0
