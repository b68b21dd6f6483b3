"""A hundred clients ask the same at once, with two copies of each worker on the way to the model: it is paid once."""

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
import pytest

from libs.schemas import subjects
from tests.chaos.pipeline import until
from tests.e2e.crowd.conftest import ASKED
from tests.e2e.running import Running
from tests.fakes.model_server import Answer, ModelServer
from tests.integration.market import until as server_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="package"),
]
CLIENTS = 100


def holds(symbols: tuple[str, ...]) -> str:
    row = {"action": "hold", "exit_plan": "none", "rationale": "wait", "confidence": 50, "risk_level": "low"}
    body = {
        "decisions": [{"asset": symbol, **row} for symbol in symbols],
        "portfolio_rationale": "nothing to do",
        "total_allocation_usd": 0,
        "portfolio_risk_level": "low",
    }
    return json.dumps(body)


async def nothing_waits(run: Running) -> bool:
    """Whether each request has its decision, or has joined another's."""
    durable = subjects.CONTEXT_REQUESTS
    info = await run.pipeline.bus.js.consumer_info(durable.stream, durable.name)
    return not (info.num_pending or info.num_ack_pending)


async def test_a_hundred_identical_requests_cost_one_call_and_one_decision(run: Running, server: ModelServer) -> None:
    all_have_asked = asyncio.Event()
    server.then(Answer(holds(("BTCUSDT", "ETHUSDT")), cost=0.002, when=all_have_asked))
    wish = {"account_id": ASKED, "symbols": ["BTCUSDT", "ETHUSDT"], "timeout": 60}
    async with run.api() as api, run.following("REQUESTS", f"decision.requested.{ASKED}") as requests:
        asking = asyncio.gather(*(api.post("/api/v1/decisions/generate", json=wish) for _ in range(CLIENTS)))
        await until(lambda: len(requests) == CLIENTS, "all have asked")
        await server_until(lambda: nothing_waits(run))
        all_have_asked.set()
        answers: list[httpx.Response] = await asking
    assert Counter(answer.status_code for answer in answers) == {200: CLIENTS}
    results: list[dict[str, Any]] = [answer.json() for answer in answers]
    assert len({result["decision_id"] for result in results}) == 1
    assert {result["status"] for result in results} == {"hold"}, results[0]["errors"]
    assert len(server.requests) == 1

    ends = Counter(record.subject.split(".")[1] for record in await run.stored("DECISIONS", f"decision.*.{ASKED}"))
    assert ends == {"proposed": 1, "validated": 1, "answered": CLIENTS - 1}
