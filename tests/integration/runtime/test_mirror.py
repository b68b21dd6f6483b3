"""Live copies of KV buckets, and the market clock that is one."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from libs.configuration.mirror import ConfigMirror
from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror, sleep_until_market
from libs.runtime.mirror import KvMirror
from libs.schemas.analytics import Alert
from libs.schemas.kv_keys import CLOCK_KEY
from libs.schemas.market import MarketClock
from libs.schemas.subjects import KV_CLOCK, KV_CONFIG, venue_key
from libs.schemas.venue import ANY_SYMBOL
from tests import builders
from tests.integration.runtime.conftest import until
from tests.integration.runtime.messages import alert, name_of

BUCKET = KV_CONFIG.name


def parse(key: str, data: bytes) -> Alert:
    return Alert.model_validate_json(data)


async def test_a_mirror_holds_what_is_there_and_follows_changes(bus: Bus) -> None:
    await bus.kv_put(BUCKET, "x.a", alert("one"))
    await bus.kv_put(BUCKET, "x.b", alert("gone"))
    await bus.kv_delete(BUCKET, "x.b")
    await bus.kv_put(BUCKET, "y.c", alert("elsewhere"))
    changes: list[tuple[str, str | None]] = []
    mirror = KvMirror(
        bus, BUCKET, parse, prefix="x.", on_change=lambda key, v: changes.append((key, name_of(v) if v else None))
    )
    await mirror.start()
    assert {key: name_of(value) for key, value in mirror.items().items()} == {"x.a": "one"}
    revision = await bus.kv_put(BUCKET, "x.a", alert("two"))
    await until(lambda: mirror.revision("x.a") == revision)
    found = mirror.get("x.a")
    assert found is not None and name_of(found) == "two"
    await bus.kv_delete(BUCKET, "x.a")
    await until(lambda: mirror.get("x.a") is None)
    assert changes == [("x.a", "one"), ("x.b", None), ("x.a", "two"), ("x.a", None)]
    assert mirror.revision("x.nothing") == 0
    await mirror.stop()


async def test_a_value_that_is_not_valid_counts_as_absent_and_is_said(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = KvMirror(bus, BUCKET, parse, prefix="x.")
    await bus.kv_put(BUCKET, "x.a", alert("good"))
    await mirror.start()
    assert mirror.get("x.a")
    await bus.kv_put(BUCKET, "x.a", b'{"alert_id": "no more"}')
    await until(lambda: mirror.invalid == 1)
    assert mirror.get("x.a") is None
    assert "$KV.config.x.a is not valid and is ignored: alert_id" in caplog.text
    await bus.kv_put(BUCKET, "x.a", alert("better"))
    await until(lambda: mirror.get("x.a") is not None)
    await mirror.stop()


async def test_configuration_that_is_of_no_known_kind_is_left_out(bus: Bus) -> None:
    await bus.kv_put(BUCKET, "models", b"{}")
    mirror = ConfigMirror(bus)
    await mirror.start()
    assert (mirror.accounts, mirror.strategies, mirror.venue_symbols) == ({}, {}, {})
    assert mirror.account("nobody") is None
    await mirror.stop()


async def test_a_symbol_without_rules_of_its_own_has_those_of_any(bus: Bus) -> None:
    listed, shared = builders.venue("BTCUSDT"), builders.venue(ANY_SYMBOL, tick_size=Decimal("0.0001"))
    mirror = ConfigMirror(bus)
    await mirror.start()
    assert mirror.venue_symbol("paper", "PEPEUSDT") is None
    for rules in (listed, shared):
        await bus.kv_put(BUCKET, venue_key("paper", rules.symbol), rules)
    await until(lambda: mirror.venue_symbol("paper", "PEPEUSDT") is not None)
    assert mirror.venue_symbol("paper", "BTCUSDT") == listed
    assert mirror.venue_symbol("paper", "PEPEUSDT") == shared.model_copy(update={"symbol": "PEPEUSDT"})
    assert mirror.venue_symbol("paper", "PEPEUSDT") is mirror.venue_symbol("paper", "PEPEUSDT")
    assert mirror.venue_symbol("aster", "PEPEUSDT") is None
    await mirror.stop()


ORIGIN = datetime(2025, 1, 1, tzinfo=UTC)


def entry(*, refreshed_s_ago: float = 0, speed: float = 1, paused: bool = False) -> MarketClock:
    """A clock whose market time was ORIGIN ten seconds of wall time ago."""
    now = datetime.now(UTC)
    refreshed = now - timedelta(seconds=refreshed_s_ago)
    return MarketClock(
        origin=ORIGIN, wall_zero=now - timedelta(seconds=10), speed=speed, paused=paused, refreshed_at=refreshed
    )


async def following(bus: Bus, clock: MarketClock | None) -> MarketClockMirror:
    if clock is not None:
        await bus.kv_put(KV_CLOCK.name, CLOCK_KEY, clock)
    mirror = MarketClockMirror(bus)
    await mirror.start()
    return mirror


def market_seconds(mirror: MarketClockMirror) -> float:
    return (mirror.now() - ORIGIN).total_seconds()


async def test_without_an_entry_market_time_is_wall_time(bus: Bus) -> None:
    clock = await following(bus, None)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    assert (clock.speed, clock.paused) == (1, False)
    await clock.stop()


async def test_market_time_runs_at_the_speed_of_the_entry(bus: Bus) -> None:
    clock = await following(bus, entry(speed=60))
    assert 600 <= market_seconds(clock) < 660
    assert (clock.speed, clock.paused) == (60, False)
    await clock.stop()


async def test_a_paused_clock_stands_at_its_origin(bus: Bus) -> None:
    clock = await following(bus, entry(speed=60, paused=True))
    assert market_seconds(clock) == 0
    assert clock.paused
    await clock.stop()


async def test_a_clock_that_nobody_refreshes_stands_at_its_last_refresh(bus: Bus) -> None:
    clock = await following(bus, entry(speed=60, refreshed_s_ago=5))
    assert clock.paused
    assert market_seconds(clock) == pytest.approx(300, abs=1)
    await bus.kv_put(KV_CLOCK.name, CLOCK_KEY, entry(speed=60))
    await until(lambda: not clock.paused)
    assert market_seconds(clock) >= 600
    await clock.stop()


async def test_an_entry_that_is_deleted_gives_wall_time_back(bus: Bus) -> None:
    clock = await following(bus, entry(speed=60))
    await bus.kv_delete(KV_CLOCK.name, CLOCK_KEY)
    await until(lambda: abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1))
    await clock.stop()


async def test_sleeping_until_market_time_follows_a_change_of_speed(bus: Bus) -> None:
    clock = await following(bus, entry(speed=1))
    sleeping = asyncio.create_task(sleep_until_market(clock, ORIGIN + timedelta(hours=1)))
    await bus.kv_put(KV_CLOCK.name, CLOCK_KEY, entry(speed=3600))
    await sleeping
    assert market_seconds(clock) >= 3600
    await clock.stop()
