"""Whatever fits the description of the API, and what just does not, is answered as the description says: schemathesis
against a gateway and a ledger that run, with a program on the bus that decides."""

import asyncio
import hashlib
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from libs.runtime.ending import end
from libs.runtime.server import HttpServer
from libs.runtime.telling import EVERY_S
from libs.schemas import subjects
from libs.schemas.kv_keys import worker_key
from libs.schemas.models import TRIAL_KEY, ModelsTrial
from libs.schemas.names import key_of
from tests.builders import strategy, venue
from tests.forms import LONG, sized
from tests.integration.serving import Running, served, started, whole
from tests.unit.gateway.test_models import after_trial, decider

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(sized(1_800, 7_200))]

EXAMPLES = sized(1, 38)
LEAST = sized(90, 2_000)
# What a schema takes may still be no sound strategy (422), be about another version (412), or not end within the time
# that the request itself names (503, with Location): nothing else is looked over. A stream has no end: it is read
# as long as its time-out lasts.
CONFIG = """
headers = { Authorization = "Bearer ${KEY}" }
request-timeout = 120.0
warnings = false

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "429", "5xx"]

[[operations]]
include-path-regex = "/stream$"
request-timeout = 5.0

[[operations]]
include-path-regex = "/decisions/(generate|batch)$"
[operations.checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", "503"]
"""
COUNTED = re.compile(r"(\d+) generated")


async def prepared(running: Running) -> None:
    """A stack in which requests come to something: models, a strategy, a venue, decisions that end."""
    for key, body in (
        (subjects.venue_key("paper", "BTCUSDT"), venue()),
        (subjects.strategy_key(key_of("steady")), strategy("steady")),
    ):
        await running.js.publish(f"$KV.{subjects.KV_CONFIG.name}.{key}", body.model_dump_json().encode())
    await running.answer_with(whole)


async def decider_tells(running: Running) -> None:
    """As long as it is not cancelled; it tries the models that it is asked to."""
    digest = hashlib.sha256(b"schemathesis").hexdigest()[:16]
    place = f"$KV.{subjects.KV_WORKERS.name}.{worker_key(key_of('decider'), digest)}"
    wishes, told = await running.js._nc.subscribe(f"$KV.{subjects.KV_CONFIG.name}.{TRIAL_KEY}"), decider()
    while True:
        told = told.model_copy(update={"at": running.gateway.clock.wall()})
        await running.js.publish(place, told.model_dump_json().encode())
        with suppress(TimeoutError):
            wish = await wishes.next_msg(timeout=EVERY_S)
            told = after_trial(told, ModelsTrial.model_validate_json(wish.data))


async def test_schemathesis_finds_nothing(nats_url: str, mongo_url: str, mongo_db_name: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    limits = {"gateway_rate_limit": 10**9, "gateway_generate_limit": 10**9, "gateway_wrong_key_limit": 10**9}
    async with started(nats_url, mongo_url, mongo_db_name, **limits) as running:
        await prepared(running)
        server = HttpServer(served(running.gateway), "127.0.0.1", 0)
        await server.begin()
        telling = asyncio.create_task(decider_tells(running))
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            code, said = await run(tmp_path, f"http://127.0.0.1:{port}/api/v1/openapi.json", running.admin)
        finally:
            await end([telling])
            await server.end()
    counted = COUNTED.search(said)
    assert code == 0, said
    assert counted is not None
    assert int(counted[1]) >= LEAST, said


async def run(folder: Path, url: str, key: str) -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", "schemathesis.toml", "run", url),
        *("--checks", "all", "--phases", "fuzzing", "-n", str(EXAMPLES)),
        *("--no-color", "--wait-for-schema", "60", *(() if LONG else ("--seed", "11"))),
        cwd=folder,
        env={**os.environ, "KEY": key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await child.communicate()
    return child.returncode or 0, said.decode(errors="replace")
