"""Models are switched over HTTP after a decider that runs has tried them, with its own keys."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs.schemas import subjects
from libs.schemas.names import key_of
from services.decider.app import create_app
from services.decider.settings import Settings
from tests.builders import strategy
from tests.fakes.model_server import Answer, ModelServer, Status, model_server
from tests.integration.serving import Running, started
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration
SWITCH = "/api/v1/models/switch"
OWN = "openai-compatible/scripted"


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as scripted:
        yield scripted


@asynccontextmanager
async def with_decider(
    nats_url: str, mongo_url: str, mongo_db_name: str, redis_url: str, server: ModelServer
) -> AsyncIterator[Running]:
    """A gateway that has heard of a decider, which reaches the models of `server`."""
    places = {"nats_url": nats_url, "redis_url": redis_url, "llm_model": "builtin/trend", "llm_base_url": server.url}
    async with started(nats_url, mongo_url, mongo_db_name) as running:
        key = f"$KV.{subjects.KV_CONFIG.name}.{subjects.strategy_key(key_of('steady'))}"
        await running.js.publish(key, strategy("steady").model_dump_json().encode())
        decider = create_app(Settings.model_validate(places))
        await decider.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (await running.api.get("/api/v1/models")).json()["told_by"]:  # noqa: ASYNC110 - seen by looking
                    await asyncio.sleep(0.02)
            yield running
        finally:
            await decider.stop()


async def test_a_model_has_to_answer_before_it_is_given_the_say(
    nats_url: str, mongo_url: str, mongo_db_name: str, redis_url: str, server: ModelServer
) -> None:
    async with with_decider(nats_url, mongo_url, mongo_db_name, redis_url, server) as running:
        server.then(Status(404, "no such model"))
        refused = await running.api.post(SWITCH, json={"model": OWN})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:perpetua:problem:model-without-answer")
        assert f"{OWN} does not answer" in refused.json()["detail"]
        assert (await running.api.get("/api/v1/models")).json()["switched"] is None

        server.then(Answer('{"ready": true}'))
        taken = await running.api.post(SWITCH, json={"model": f"{OWN}, builtin/trend", "reason": "it answers"})
        assert (taken.status_code, taken.json()["chain"]) == (200, [OWN, "builtin/trend"]), taken.text
        asked = len(server.requests)

        checked = (await running.api.post("/api/v1/models/validate-auth")).json()
        verdicts = {item["provider"]: item["verdict"] for item in checked["items"]}
        assert verdicts.keys() >= {"builtin", "openai-compatible"}
        assert len(server.requests) == asked, "a check of keys calls no model"
        assert server.key_requests
