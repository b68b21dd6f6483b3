"""The state of the installation, as its workers and servers tell it."""

import pytest

from libs.schemas.worker import WorkerTold
from services.gateway.domain.decision_figures import Counted, Ended, metrics
from services.gateway.domain.monitoring import DurableLag
from tests.fakes.gateway_ports import Gateway
from tests.fakes.ledger_chain import T0
from tests.fakes.validator_values import state

BASE = "/api/v1/monitoring"


def told(service: str, instance: str, *, well: bool = True, version: str = "1") -> WorkerTold:
    checks = {"nats": True, "mongodb": well}
    return WorkerTold(
        service=service, instance=instance, version=version, started_at=T0, at=T0, ready=well, checks=checks
    )


def behind(durable: str, waiting: int, in_hand: int) -> DurableLag:
    return DurableLag(durable=durable, stream="ORDERS", waiting=waiting, in_hand=in_hand, redelivered=0)


@pytest.fixture
def gateway() -> Gateway:
    made = Gateway()
    made.operations.words = [told("executor", "e-1", well=False), told("ledger", "l-1", version="2")]
    made.operations.behind = [behind("ledger-orders", 7, 2), behind("ledger-dead", 0, 0)]
    made.accounts.states = {name: state(name) for name in ("alpha", "beta")}
    return made


async def test_services_say_what_hinders_them_and_which_are_missing(gateway: Gateway) -> None:
    found = (await gateway.call("GET", f"{BASE}/services")).json()
    assert [(one["instance"], one["ready"], one["not_ready"]) for one in found["items"]] == [
        ("e-1", False, ["mongodb"]),
        ("l-1", True, []),
    ]
    assert found["missing"] == ["feed", "context", "decider", "validator", "gateway"]
    assert found["all_ready"] is False


async def test_lag_is_told_of_each_durable(gateway: Gateway) -> None:
    found = (await gateway.call("GET", f"{BASE}/lag")).json()
    assert (found["most_waiting"], len(found["items"]), found["items"][0]["in_hand"]) == (7, 2, 2)
    gateway.operations.behind.append(behind("notifier-orders", 900, 0))
    assert (await gateway.call("GET", f"{BASE}/lag")).json()["most_waiting"] == 7  # no notifier runs: nobody is late
    gateway.operations.words.append(told("notifier", "n-1"))
    assert (await gateway.call("GET", f"{BASE}/lag")).json()["most_waiting"] == 900
    gateway.operations.away = "NATS"
    assert (await gateway.call("GET", f"{BASE}/lag")).status_code == 503


async def test_stores_are_as_this_gateway_finds_them(gateway: Gateway) -> None:
    gateway.operations.parts["mongodb"] = False
    gateway.operations.shared = False
    found = (await gateway.call("GET", f"{BASE}/stores")).json()
    assert {one["store"]: one["state"] for one in found["items"]} == {"nats": "up", "mongodb": "away", "redis": "local"}
    assert {one["store"]: one["version"] for one in found["items"]}["redis"] == "7.2.4"


async def test_versions_say_whether_workers_differ(gateway: Gateway) -> None:
    found = (await gateway.call("GET", f"{BASE}/versions")).json()
    assert (found["workers"], found["mixed"]) == ({"executor": ["1"], "ledger": ["2"]}, True)
    assert found["servers"] == {"nats": "2.15.1", "mongodb": "8.0.1", "redis": "7.2.4"}


async def test_the_summary_is_of_the_accounts_that_the_key_sees(gateway: Gateway) -> None:
    whole, own = [(await gateway.call("GET", f"{BASE}/summary", key=key)).json() for key in ("admin", "beta")]
    assert (whole["of_accounts"]["accounts"], own["of_accounts"]["accounts"]) == (2, 1)
    assert (whole["workers"], whole["workers_ready"], whole["most_waiting"]) == (2, 1, 7)
    gateway.operations.away = "NATS"
    assert (await gateway.call("GET", f"{BASE}/summary")).json()["most_waiting"] is None


COUNTED = Counted(
    ended=[
        Ended("accepted", None, 6, 0.6, 1),
        Ended("denied", "daily_loss", 2, 0.2, 0),
        Ended("abstained", "timeout", 2, 0.0, 2),
    ],
    times=[(1.0, 100.0, 2.0), (3.0, None, 4.0), (2.0, 300.0, None)],
    requests=20,
    answered={"cached": 5, "joined": 2},
)


def test_decisions_of_a_period_in_figures() -> None:
    found = metrics(COUNTED, (T0, T0), None)
    assert (found.decisions, found.by_status, found.by_reason) == (
        10,
        {"abstained": 2, "accepted": 6, "denied": 2},
        {"daily_loss": 2, "timeout": 2},
    )
    assert found.validation_success == 0.75
    assert (found.cache.hit_rate, found.cache.joined) == (0.25, 2)
    assert (round(found.cost.usd, 9), found.cost.unknown) == (0.8, 3)
    assert (found.latency_ms.context.p50, found.latency_ms.model.p99, found.latency_ms.engine.p50) == (2.0, 300.0, 2.0)


def test_figures_of_nothing_are_unknown_and_not_zero() -> None:
    found = metrics(Counted([], [], 0, {}), (T0, T0), "alpha")
    assert (found.decisions, found.validation_success, found.cache.hit_rate) == (0, None, None)
    assert found.latency_ms.model.p50 is None


async def test_metrics_are_of_the_accounts_that_the_key_sees(gateway: Gateway) -> None:
    gateway.analytics.ended = COUNTED
    answer = await gateway.call("GET", "/api/v1/decisions/metrics?timeframe=24h", key="beta")
    assert (answer.json()["decisions"], gateway.analytics.counted_of) == (10, frozenset({"beta"}))
    assert (await gateway.call("GET", "/api/v1/decisions/metrics?account_id=alpha", key="beta")).status_code == 404
    assert (await gateway.call("GET", "/api/v1/decisions/metrics?timeframe=1y")).status_code == 422
    assert (await gateway.call("GET", f"{BASE}/cache")).json()["figures"]["cached"] == 5
