"""Rates are counted by all gateways together, and by each alone while Redis is away."""

import pytest

from services.gateway.adapters.redis_limits import AGAIN_S, RedisLimits

pytestmark = pytest.mark.integration
NOBODY = "redis://127.0.0.1:1/0"


class Clock:
    now = 1_000_000_020.0

    def __call__(self) -> float:
        return self.now


async def test_two_gateways_count_together(redis_url: str) -> None:
    clock = Clock()
    one, other = RedisLimits(redis_url, clock), RedisLimits(redis_url, clock)
    granted = [(await limits.take("key:a", 4)).granted for limits in (one, other, one, other, one)]
    assert granted == [True, True, True, True, False]
    assert (await other.take("key:b", 4)).left == 3
    clock.now += 60
    assert (await one.take("key:a", 4)).left == 3
    assert one.shared
    assert "." in (await one.version() or "")
    await one.stop()
    await other.stop()


async def test_without_redis_each_counts_alone_to_half_and_asks_again_later(redis_url: str) -> None:
    clock = Clock()
    alone = RedisLimits(NOBODY, clock)
    granted = [(await alone.take("key:a", 4)).granted for _ in range(3)]
    assert granted == [True, True, False]
    assert not alone.shared
    assert await alone.version() is None
    clock.now += 2 * AGAIN_S
    assert alone.shared
    assert not (await alone.take("key:a", 4)).granted
    assert not alone.shared
    await alone.stop()
