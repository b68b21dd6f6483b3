"""Accuracy, calibration and the results of experiments through the API."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.analytics.accuracy import JudgedEntry, wilson
from libs.analytics.experiments import Decided
from libs.analytics.forward import HORIZONS, Leg
from libs.schemas.experiment import Experiment
from libs.schemas.subjects import experiment_key
from tests.fakes.gateway_ports import Gateway
from tests.fakes.ledger_chain import T0
from tests.fakes.validator_values import BY_TEST

BASE = "/api/v1"


def gateway(*entries: JudgedEntry, account: str = "beta") -> Gateway:
    made = Gateway()
    made.outcomes.rows = [(account, entry) for entry in entries]
    return made


def entry(after_1h: float | None, confidence: float | None = 70, *unknown: str) -> JudgedEntry:
    return JudgedEntry(confidence, {} if after_1h is None else {"1h": after_1h}, frozenset(unknown))


async def test_accuracy_counts_what_is_known_and_says_what_is_not() -> None:
    made = gateway(entry(1.0), entry(0.5), entry(-0.1), entry(0.0), entry(None), entry(None, 70, "1h"))
    told = (await made.call("GET", f"{BASE}/decisions/accuracy")).json()
    hour, four, _ = told["horizons"]
    assert (told["entries"], hour["entries"], hour["right"], hour["waiting"], hour["unknown"]) == (6, 4, 2, 1, 1)
    assert (hour["low"], hour["share"], hour["high"]) == pytest.approx((wilson(2, 4)[0], 0.5, wilson(2, 4)[1]))
    assert (four["entries"], four["share"], four["low"], four["waiting"]) == (0, None, None, 6)


async def test_figures_say_from_when_on_they_count() -> None:
    made, cut_at = gateway(entry(1.0)), T0 - timedelta(days=2)
    for path in ("accuracy", "calibration"):
        told = (await made.call("GET", f"{BASE}/decisions/{path}")).json()
        assert told["counted_from"] == told["period_start"]
    made.outcomes.cut_at = cut_at
    for path in ("accuracy", "calibration"):
        told = (await made.call("GET", f"{BASE}/decisions/{path}")).json()
        assert datetime.fromisoformat(told["counted_from"]) == cut_at


async def test_calibration_is_over_entries_with_a_confidence() -> None:
    made = gateway(entry(1.0, 80), entry(-1.0, 80), entry(1.0, 30), entry(1.0, None), entry(None, 90))
    told = (await made.call("GET", f"{BASE}/decisions/calibration?horizon=1h")).json()
    assert (told["entries"], told["horizon"]) == (3, "1h")
    assert told["brier"] == pytest.approx((0.04 + 0.64 + 0.49) / 3)
    assert [(row["low"], row["entries"], row["hit_rate"]) for row in told["table"]] == [(30, 1, 1.0), (80, 2, 0.5)]
    empty = (await made.call("GET", f"{BASE}/decisions/calibration?horizon=24h")).json()
    assert (empty["entries"], empty["brier"], empty["table"]) == (0, None, [])


async def test_the_entries_asked_for_are_those_of_the_query_and_of_the_key() -> None:
    made = gateway(entry(1.0))
    query = "timeframe=24h&symbol=BTCUSDT&strategy_id=steady&model=a/b"
    await made.call("GET", f"{BASE}/decisions/accuracy?{query}", key="beta")
    asked = made.outcomes.asked
    assert asked is not None
    wanted = ("BTCUSDT", "steady", "a/b")
    assert (asked.accounts, asked.symbol, asked.strategy_id, asked.model) == (frozenset({"beta"}), *wanted)
    assert asked.until - asked.since == timedelta(hours=24, microseconds=1)
    await made.call("GET", f"{BASE}/decisions/accuracy?account_id=beta")
    assert made.outcomes.asked is not None and made.outcomes.asked.accounts == frozenset({"beta"})


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("decisions/accuracy?account_id=alpha", 404),
        ("decisions/calibration?account_id=alpha", 404),
        ("decisions/accuracy?timeframe=1y", 422),
        ("decisions/accuracy?horizon=1h", 422),
        ("decisions/calibration?horizon=2h", 422),
        ("experiments/none/results", 404),
    ],
)
async def test_what_is_not_there_or_not_seen_is_refused(path: str, status: int) -> None:
    assert (await gateway(entry(1.0)).call("GET", f"{BASE}/{path}", key="beta")).status_code == status


def decided(arm: str, n: int, sign: int) -> Decided:
    after = {HORIZONS["1h"]: 101.0 + n % 3}
    bought = Leg("BTCUSDT", 1, 100.0, after)
    values: dict[str, Any] = {"abstained": False, "cost_usd": 0.01, "latency_ms": 10.0, "assets": 1}
    at = T0 + timedelta(hours=2 * n)
    return Decided(arm, f"ctx-{n}", at, **values, legs=(Leg("BTCUSDT", sign, 100.0, after),), market=(bought,))


async def running(made: Gateway, n: int) -> dict[str, Any]:
    body = Experiment.model_validate(
        {"name": "brave", "mode": "shadow", "arms": [{"name": "b", "params": {"seed": 1}}], "accounts": ["beta"]}
    )
    made.store.put_now(experiment_key("brave"), body.model_dump_json().encode(), BY_TEST)
    made.outcomes.arms = [decided(arm, k, sign) for k in range(n) for arm, sign in (("live", -1), ("b", 1))]
    told: dict[str, Any] = (await made.call("GET", f"{BASE}/experiments/brave/results", key="beta")).json()
    return told


def figures(told: dict[str, Any], arm: str, baseline: str) -> dict[str, Any]:
    (pair,) = [one for one in (*told["against"], *told["markets"]) if (one["arm"], one["baseline"]) == (arm, baseline)]
    return {one["figure"]: one for one in pair["differences"]}


async def test_results_are_arms_against_each_other_and_against_the_market() -> None:
    told = await running(Gateway(), 20)
    assert [(arm["arm"], arm["decisions"]) for arm in told["arms"]] == [("live", 20), ("b", 20)]
    shown = figures(told, "b", "live")["return_1h"]
    assert (shown["pairs"], shown["verdict"], shown["said"], shown["more"]) == (20, "higher", "higher", None)
    assert figures(told, "b", "buy and hold")["return_1h"]["mean"] == 0
    assert figures(told, "b", "flat")["return_1h"]["verdict"] == "higher"
    assert figures(told, "live", "flat")["return_1h"]["verdict"] == "lower"
    assert figures(told, "b", "live")["return_24h"]["verdict"] == "not enough data"


async def test_a_young_experiment_says_that_it_is_too_early() -> None:
    shown = figures(await running(Gateway(), 4), "b", "live")["return_1h"]
    assert (shown["verdict"], shown["more"], shown["low"]) == ("not enough data", 11, None)
    assert shown["said"] == "not enough data; too early: about 11 more pairs"
