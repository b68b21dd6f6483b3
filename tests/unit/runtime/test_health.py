"""The operations port."""

import httpx
import pytest
from prometheus_client import CollectorRegistry

from libs.runtime.health import OpsApp
from libs.runtime.metrics import DeliveryMetrics

STATE = {"nats": True, "started": True}


def ops(**state: bool) -> httpx.AsyncClient:
    registry = CollectorRegistry()
    DeliveryMetrics(registry).ready.set(1)
    app = OpsApp(registry, lambda: {**STATE, **state})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ops")


@pytest.mark.parametrize(("state", "status"), [({}, 200), ({"nats": False}, 503), ({"market": False}, 503)])
async def test_ready_is_200_when_every_part_is_and_names_those_that_are_not(
    state: dict[str, bool], status: int
) -> None:
    answer = await ops(**state).get("/ready")
    assert answer.status_code == status
    assert answer.json() == {"ready": status == 200, "checks": {**STATE, **state}}


async def test_live_is_200_even_when_not_ready() -> None:
    answer = await ops(nats=False).get("/live")
    assert (answer.status_code, answer.json()) == (200, {"live": True})


async def test_metrics_are_in_the_text_format() -> None:
    answer = await ops().get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "perpetua_runtime_ready 1.0" in answer.text


async def test_anything_else_is_404() -> None:
    assert (await ops().get("/")).status_code == 404


async def test_health_says_more_of_each_part_and_is_no_verdict() -> None:
    app = OpsApp(CollectorRegistry(), lambda: {"nats": False}, lambda: {"models": {"healthy": False}})
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ops")
    answer = await client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"checks": {"nats": False}, "models": {"healthy": False}})
