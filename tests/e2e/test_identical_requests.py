"""A hundred clients ask the same at once, with two copies of each worker on the way to the model: it is paid once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from libs.schemas.account import Account
from libs.schemas.names import key_of
from libs.schemas.subjects import KV_CONFIG, account_key
from tests.chaos.pipeline import until
from tests.e2e.running import Running, running
from tests.fakes.model_server import Answer, ModelServer, model_server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]
CLIENTS = 100
MODEL = "openrouter/openai/gpt-5"
ASKED = "asked"
REPLICAS = "context=2,decider=2"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """With an account that asks a paid model, and only when a client asks for it: its own triggers are paused."""
    env = {"OPENROUTER_API_BASE": server.url, "OPENROUTER_API_KEY": "sk-or-test-0001"}
    async with running(tmp_path_factory.mktemp("identical") / "state", replicas=REPLICAS, more=env) as made:
        await made.pipeline.progress(1)
        entry = await made.pipeline.bus.kv_get(KV_CONFIG.name, account_key(key_of("aggressive")))
        assert entry is not None
        changes = {"account_id": ASKED, "status": "paused", "model": MODEL}
        account = Account.model_validate_json(entry.value).model_copy(update=changes)
        await made.pipeline.bus.kv_put(KV_CONFIG.name, account_key(key_of(ASKED)), account)
        await until(lambda: ASKED in {row.account for row in made.pipeline.run.board.accounts}, "the account is known")
        yield made


def holds(symbols: tuple[str, ...]) -> str:
    row = {"action": "hold", "exit_plan": "none", "rationale": "wait", "confidence": 50, "risk_level": "low"}
    body = {
        "decisions": [{"asset": symbol, **row} for symbol in symbols],
        "portfolio_rationale": "nothing to do",
        "total_allocation_usd": 0,
        "portfolio_risk_level": "low",
    }
    return json.dumps(body)


async def test_a_hundred_identical_requests_cost_one_call_and_one_decision(run: Running, server: ModelServer) -> None:
    server.then(Answer(holds(("BTCUSDT", "ETHUSDT")), cost=0.002, delay_s=1.5))
    wish = {"account_id": ASKED, "symbols": ["BTCUSDT", "ETHUSDT"]}
    async with run.api() as api:
        answers: list[httpx.Response] = await asyncio.gather(
            *(api.post("/api/v1/decisions/generate", json=wish) for _ in range(CLIENTS))
        )
    assert Counter(answer.status_code for answer in answers) == {200: CLIENTS}
    results: list[dict[str, Any]] = [answer.json() for answer in answers]
    assert len({result["decision_id"] for result in results}) == 1
    assert {result["status"] for result in results} == {"hold"}
    assert len(server.requests) == 1

    ends = Counter(record.subject.split(".")[1] for record in await run.stored("DECISIONS", f"decision.*.{ASKED}"))
    assert ends == {"proposed": 1, "validated": 1, "answered": CLIENTS - 1}
