"""Answers made to hold a reader: each costs its own decision, and nobody else waits for it."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import nats
import pytest
from nats.js import JetStreamContext

from libs.runtime.provision import provision_nats
from tests.fakes.decider_hostile import heavy
from tests.fakes.model_server import Answer, model_server
from tests.integration.decider_process import free_port, fresh, process, proposals, publish
from tests.integration.deciding import decision
from tests.pace import PATIENCE_S, Watch

pytestmark = pytest.mark.integration
PROBE_S = 5  # what an orchestrator waits for a probe; the faults took 17 to 80
OWN = "openai-compatible/"


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    connection = await nats.connect(nats_url)
    stream = connection.jetstream()
    await provision_nats(stream)
    yield stream
    await connection.close()


async def probed(ops: httpx.AsyncClient, deciding: asyncio.Task[None]) -> int:
    """Probes of liveness until all is decided; raises for one that is not answered in time."""
    probes = 0
    while not deciding.done():
        with Watch() as watch:
            assert (await ops.get("/live")).json() == {"live": True}
        assert watch.quiet_s < PROBE_S
        probes += 1
        await asyncio.sleep(0.01)
    await deciding
    return probes


async def started(ops: httpx.AsyncClient) -> None:
    async with asyncio.timeout(100):
        while True:
            try:
                if (await ops.get("/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_worker_lives_through_every_heavy_answer_and_decides_for_the_others_meanwhile(
    js: JetStreamContext, nats_url: str, redis_url: str
) -> None:
    scripts, port = heavy(), free_port()
    async with model_server() as server:
        server.by_model = {**scripts, "sound": Answer(decision(confidence=61))}
        async with (
            process(nats_url, redis_url, server, PERPETUA_OPS_PORT=str(port)),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as ops,
        ):
            await started(ops)
            asked = [fresh(name, OWN + name) for name in scripts] + [fresh(f"s{n}", f"{OWN}sound") for n in range(8)]
            await publish(js, *asked)

            async def all_decided() -> None:
                await proposals(js, len(asked))

            probes = await probed(ops, asyncio.create_task(all_decided()))
            found = await proposals(js, len(asked))
    ended = {p.context_id.removeprefix("ctx-"): (p.status, p.abstain_reason) for p in found}
    assert probes > 0
    assert [ended[f"s{n}"] for n in range(8)] == [("proposed", None)] * 8
    assert {ended[name][0] for name in scripts} == {"abstained"}
    assert {ended[name][1] for name in scripts} <= {"invalid", "unavailable"}
