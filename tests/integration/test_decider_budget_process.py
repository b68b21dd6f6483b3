"""The decider's worker and its budget on a real bus: what the log says was spent counts, and an alert is raised."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import SecretStr
from redis.asyncio import Redis

from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from libs.schemas.account import Budgets
from libs.schemas.analytics import Alert
from libs.schemas.decision import DecisionProposed
from services.decider.app import create_app, rules_of
from services.decider.settings import Settings
from tests.fakes.decider_contexts import context
from tests.fakes.model_server import Answer, model_server
from tests.integration.deciding import GPT, KEY, decision
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    connection = await nats.connect(nats_url)
    stream = connection.jetstream(timeout=PATIENCE_S)
    await provision_nats(stream)
    yield stream
    await connection.close()


async def message(js: JetStreamContext, stream: str, sequence: int) -> bytes:
    async with asyncio.timeout(60):
        while True:
            try:
                return (await js.get_msg(stream, sequence)).data or b""
            except NotFoundError:
                await asyncio.sleep(0.02)


async def ask(js: JetStreamContext, name: str) -> None:
    now = datetime.now(UTC)
    made = context(name=name, timestamp=now, expires_at=now + timedelta(seconds=100))
    await js.publish(subjects.context_built(made.account_id), made.model_dump_json().encode())


async def test_what_the_log_says_was_spent_counts_after_redis_has_lost_it(
    js: JetStreamContext, nats_url: str, redis_url: str
) -> None:
    async with model_server() as server:
        common = {"nats_url": nats_url, "redis_url": redis_url, "openrouter_api_base": server.url, "llm_model": GPT}
        settings = Settings(**common, openrouter_api_key=SecretStr(KEY), budget_usd_per_day=1.0)  # type: ignore[arg-type]
        server.then(*[Answer(decision(), cost=0.95)] * 8)  # the check of the key takes one
        first = create_app(settings)
        await first.start()
        await ask(js, "1")
        paid = DecisionProposed.model_validate_json(await message(js, "DECISIONS", 1))
        alert = Alert.model_validate_json(await message(js, "AUDIT", 1))
        await first.stop()
        await _flush(redis_url)
        second = create_app(settings)
        await second.start()
        await ask(js, "2")
        refused = DecisionProposed.model_validate_json(await message(js, "DECISIONS", 2))
        health = second.details()
        await second.stop()
    assert (paid.status, paid.calls[0].cost_usd) == ("proposed", 0.95)
    assert (alert.kind, alert.account_id, alert.value, alert.threshold) == ("budget", None, 0.95, 1.0)
    assert (refused.status, refused.abstain_reason) == ("abstained", "budget")
    assert "$0.95 of $1" in (refused.abstain_detail or "")
    assert health["redis"] == "up"
    assert second.registry.get_sample_value("perpetua_decider_redis_up") == 1
    assert second.registry.get_sample_value("perpetua_decider_denied_total", {"why": "budget"}) == 1


async def _flush(url: str) -> None:
    async with Redis.from_url(url) as redis:
        await redis.flushdb()


def test_budgets_of_all_accounts_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"USD_PER_HOUR": "1.5", "USD_PER_DAY": "", "TOKENS_PER_DAY": "9"}.items():
        monkeypatch.setenv(f"PERPETUA_BUDGET_{name}", value)
    assert rules_of(Settings()).budgets == Budgets(usd_per_hour=1.5, tokens_per_day=9)
