"""`perpetua publish check` beside a bus: the accounts, the clock and the log there decide."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.connection import connected
from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from libs.schemas.kv_keys import CLOCK_KEY
from libs.schemas.market import MarketClock
from tests import builders

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def check(lines: list[object], *options: str, **env: str) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PERPETUA_") and key != "NATS_URL"}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "publish", "check", "-", *options],
        input="\n".join(json.dumps(line) for line in lines),
        capture_output=True,
        text=True,
        env=clean | env,
        timeout=120,
        check=False,
    )


def tick(seconds: float, symbol: str = "BTCUSDT", source: str = "mine", price: float = 100.0) -> dict[str, object]:
    return {"symbol": symbol, "price": price, "source": source, "ts": (NOW + timedelta(seconds=seconds)).isoformat()}


async def test_the_accounts_the_clock_and_the_log_of_the_bus_decide(nats_url: str, tmp_path: Path) -> None:
    async with connected(nats_url) as bus:
        await provision_nats(bus.js)
        account = builders.account("alpha", symbols=("BTCUSDT", "SOLUSDT"))
        await bus.kv_put(subjects.KV_CONFIG.name, subjects.account_key(account.account_id), account)
        stands = MarketClock(origin=NOW, wall_zero=NOW, speed=1, paused=True, refreshed_at=datetime.now(UTC))
        await bus.kv_put(subjects.KV_CLOCK.name, CLOCK_KEY, stands)
        for n in range(6):
            await bus.js.publish("market.tick", json.dumps(tick(n - 9, source="replay")).encode())
    lines: list[object] = [
        tick(-1),
        tick(-1, source="replay"),
        tick(-1, "SOLUSDT"),
        tick(-1, "DOGEUSDT"),
        tick(60, "SOLUSDT"),
    ]
    options = ("--json", "--state-dir", str(tmp_path))
    told = await asyncio.to_thread(check, lines, *options, NATS_URL=nats_url)
    assert told.returncode == 1, told.stderr
    fates = [json.loads(line) for line in told.stdout.splitlines()]
    assert [fate["fate"] for fate in fates] == ["unheard", "accepted", "accepted", "foreign", "refused"]
    assert fates[4]["code"] == "future"
    alone = await asyncio.to_thread(check, lines[:1], *options, "--alone", NATS_URL=nats_url)
    assert (alone.returncode, json.loads(alone.stdout)["fate"]) == (0, "accepted")
    async with connected(nats_url) as bus:
        assert (await bus.js.stream_info(subjects.MARKET.name)).state.messages == 6


def test_a_wrong_setting_is_a_line_and_a_hint(tmp_path: Path) -> None:
    told = check([tick(0)], "--state-dir", str(tmp_path), PERPETUA_PRICE_BAND_PCT="much")
    assert told.returncode == 1
    assert told.stderr.startswith("error: a setting is not valid: PERPETUA_PRICE_BAND_PCT")


def test_where_nothing_runs_the_accounts_of_the_files_hear_on_an_empty_market(tmp_path: Path) -> None:
    told = check([tick(0), {"symbol": "DOGEUSDT", "price": 1}], "--state-dir", str(tmp_path), "--at", NOW.isoformat())
    assert told.returncode == 1
    assert told.stdout.splitlines() == [
        "line 2     foreign   market.tick  no account trades DOGEUSDT; it is followed while there is room",
        "",
        "1 of 2 accepted",
        "1 foreign: of symbols that no account trades",
        "judged at market time 2026-11-20 12:00:00 UTC, on an empty market",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.jsonl",), "nowhere.jsonl cannot be read: No such file or directory"),
        (("-", "--at", "noon"), "'noon' is no time"),
        (("-",), "there is no message in it"),
    ],
)
def test_what_cannot_be_checked_is_a_line_and_a_hint(arguments: tuple[str, ...], said: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "cli.main", "publish", "check", *arguments],
        input="",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.splitlines()[0] == f"error: {said}"
