"""Models: what the deciders say of them, and another one from now on."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from libs.analytics.usage import UsageCall
from libs.schemas.models import TRIAL_KEY, ModelsTrial
from libs.schemas.subjects import venue_key
from libs.schemas.worker import WorkerTold
from services.gateway.application.trials import patience
from tests.builders import venue
from tests.fakes.gateway_ports import Gateway, account
from tests.fakes.ledger_chain import T0
from tests.fakes.validator_values import BY_TEST, strategy

BASE = "/api/v1"
CATALOGUE = [
    {"id": "builtin/trend", "provider": "builtin", "price": {"input": 0, "output": 0}, "context_tokens": 100_000},
    {"id": "openrouter/big", "provider": "openrouter", "context_tokens": 64_000, "capabilities": ["seed"]},
    {"id": "local/*", "provider": "openai-compatible", "context_tokens": 8_000},
]


def check(verdict: str) -> dict[str, Any]:
    words = {"expected": "200", "actual": "401", "at": "2026-11-20T12:00:00Z", "hint": "set OPENROUTER_API_KEY"}
    return {"provider": "openrouter", "models": ["openrouter/big"], "verdict": verdict, **words}


def decider(instance: str = "decider-1", *, verdict: str = "valid", models: Any = CATALOGUE) -> WorkerTold:
    status = {"healthy": verdict == "valid", "models": {}, "dependencies": {}, "authentication": [check(verdict)]}
    return WorkerTold(
        service="decider",
        instance=instance,
        version="0.1.0",
        started_at=T0,
        at=T0,
        ready=True,
        checks={"nats": True},
        details={
            "decides": {"chain": ["builtin/trend"], "by": "chain of models.yaml", "models": models},
            "models": status,
            "redis": "up",
        },
    )


def after_trial(
    told: WorkerTold, wish: ModelsTrial, verdict: str = "valid", refusals: Sequence[str] = ()
) -> WorkerTold:
    """What a decider tells that has carried out a wish and found this."""
    found = {
        "asked_at": wish.asked_at.isoformat(),
        "refusals": list(refusals) if wish.calls else [],
        "checks": [check(verdict)],
    }
    return told.model_copy(update={"details": {**told.details, "trial": found}})


def trying(gateway: Gateway, *, verdict: str = "valid", refusals: Sequence[str] = (), only: str = "") -> None:
    """From now on every decider tries what it is asked to, and finds this; with `only`, this one alone finds it."""

    def try_out(key: str, value: bytes | None) -> None:
        if key == TRIAL_KEY and value is not None:
            wish = ModelsTrial.model_validate_json(value)
            gateway.operations.words = [
                after_trial(told, wish, verdict, refusals) if only in ("", told.instance) else after_trial(told, wish)
                for told in gateway.operations.words
            ]

    gateway.store.after_put = try_out


@pytest.fixture
def gateway() -> Gateway:
    made = Gateway()
    made.operations.words = [decider()]
    trying(made)
    made.store.put_now("account.beta", account("beta").model_dump_json().encode(), BY_TEST)
    made.store.put_now(venue_key("paper", "BTCUSDT"), venue().model_dump_json().encode(), BY_TEST)
    made.store.put_now("strategy.steady", strategy(strategy_id="steady").model_dump_json().encode(), BY_TEST)
    return made


async def test_the_catalogue_is_that_of_the_deciders(gateway: Gateway) -> None:
    gateway.operations.words.append(decider("decider-2", models=CATALOGUE[:1]))
    found = (await gateway.call("GET", f"{BASE}/models")).json()
    assert [item["id"] for item in found["items"]] == ["builtin/trend", "openrouter/big", "local/*"]
    assert (found["chain"], found["by"]) == (["builtin/trend"], "chain of models.yaml")
    assert (found["items"][0]["place"], found["items"][1]["place"]) == (1, None)
    assert (found["told_by"], found["differing"]) == (["decider-1", "decider-2"], ["decider-2"])


async def test_without_a_decider_nobody_says_anything() -> None:
    empty = Gateway()
    found = (await empty.call("GET", f"{BASE}/models")).json()
    assert (found["items"], found["told_by"], found["by"]) == ([], [], "no decider runs that could say")
    assert (await empty.call("GET", f"{BASE}/models/health")).json() == {"healthy": None, "items": []}
    assert (await empty.call("POST", f"{BASE}/models/validate-auth")).json() == {"valid": None, "items": []}
    answer = await empty.call("POST", f"{BASE}/models/switch", json={"model": "builtin/trend"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:perpetua:problem:dependency-away")


async def test_keys_are_checked_when_it_is_asked_for(gateway: Gateway) -> None:
    trying(gateway, verdict="refused")
    found = (await gateway.call("POST", f"{BASE}/models/validate-auth")).json()
    assert found["valid"] is False
    assert [(item["decider"], item["provider"], item["verdict"], item["hint"]) for item in found["items"]] == [
        ("decider-1", "openrouter", "refused", "set OPENROUTER_API_KEY")
    ]
    assert found["items"][0]["models"] == ["openrouter/big"]
    (write,) = [write for write in gateway.store.writes if write.key == TRIAL_KEY]
    wish = ModelsTrial.model_validate_json(write.value or b"")
    assert (sorted(wish.chain), wish.calls) == (["builtin/trend", "local/any", "openrouter/big"], False)


async def test_health_has_what_the_last_check_found() -> None:
    gateway = Gateway()
    gateway.operations.words = [decider(verdict="refused")]
    health = (await gateway.call("GET", f"{BASE}/models/health")).json()
    assert (health["healthy"], health["items"][0]["redis"]) == (False, "up")


@pytest.mark.parametrize("path", ["/models/switch", "/decisions/models/switch"])
async def test_a_switch_holds_everywhere_and_says_who_and_why(gateway: Gateway, path: str) -> None:
    answer = await gateway.call("POST", f"{BASE}{path}", json={"model": "openrouter/big, builtin/trend"})
    assert answer.json() == {"account_id": None, "chain": ["openrouter/big", "builtin/trend"], "version": 1}
    write = gateway.store.writes[-1]
    assert (write.key, write.by.why) == ("models", "no reason given; asked for by the key admin")


async def test_a_switch_of_one_account_is_its_own(gateway: Gateway) -> None:
    body = {"model": "local/anything", "account_id": "beta", "reason": "cheaper"}
    answer = await gateway.call("POST", f"{BASE}/models/switch", json=body, key="trader")
    assert answer.json() == {"account_id": "beta", "chain": ["local/anything"], "version": 2}
    back = await gateway.call("POST", f"{BASE}/models/switch", json=body | {"model": None}, key="trader")
    assert back.json() == {"account_id": "beta", "chain": [], "version": 3}


@pytest.mark.parametrize(
    ("key", "body", "status", "kind"),
    [
        ("admin", {"model": "nobody/knows"}, 422, "invalid-request"),
        ("admin", {"model": ", ,"}, 422, "invalid-request"),
        ("trader", {"model": "builtin/trend"}, 403, "not-for-all-accounts"),
        ("trader", {"model": "builtin/trend", "account_id": "alpha"}, 404, "not-found"),
    ],
)
async def test_a_switch_that_cannot_be_is_refused(
    gateway: Gateway, key: str, body: dict[str, Any], status: int, kind: str
) -> None:
    before = len(gateway.store.writes)
    answer = await gateway.call("POST", f"{BASE}/models/switch", json=body, key=key)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:perpetua:problem:{kind}")
    assert len(gateway.store.writes) == before


@pytest.mark.parametrize(
    ("verdict", "line", "kind"),
    [
        ("no_credit", "openrouter: no credit", "model-without-key"),
        ("valid", "openrouter/big does not answer: timeout", "model-without-answer"),
    ],
)
async def test_nothing_is_switched_to_a_model_that_one_decider_cannot_use(
    gateway: Gateway, verdict: str, line: str, kind: str
) -> None:
    gateway.operations.words.append(decider("decider-2"))
    trying(gateway, verdict=verdict, refusals=[line], only="decider-2")
    answer = await gateway.call("POST", f"{BASE}/models/switch", json={"model": "openrouter/big"})
    assert (answer.status_code, answer.json()["type"]) == (409, f"urn:perpetua:problem:{kind}")
    assert answer.json()["detail"] == f"nothing was switched: decider-2: {line}"
    assert [write.key for write in gateway.store.writes if write.key == "models"] == []


async def test_of_two_trials_at_a_time_the_later_one_counts(gateway: Gateway) -> None:
    def another(key: str, value: bytes | None) -> None:
        later = {"asked_at": (T0 + timedelta(seconds=1)).isoformat(), "refusals": [], "checks": []}
        gateway.operations.words = [decider().model_copy(update={"details": {**decider().details, "trial": later}})]

    gateway.store.after_put = another
    answer = await gateway.call("POST", f"{BASE}/models/switch", json={"model": "openrouter/big"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:perpetua:problem:config-contested")


async def test_a_decider_that_does_not_end_its_trial_is_told(gateway: Gateway) -> None:
    gateway.store.after_put = lambda key, value: gateway.clock.advance(patience(["openrouter/big"]).total_seconds())
    answer = await gateway.call("POST", f"{BASE}/models/switch", json={"model": "openrouter/big"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:perpetua:problem:trial-not-ended")


async def test_an_account_goes_back_without_a_trial(gateway: Gateway) -> None:
    gateway.store.after_put = lambda key, value: None
    body = {"model": None, "account_id": "beta", "reason": "as before"}
    answer = await gateway.call("POST", f"{BASE}/models/switch", json=body, key="trader")
    assert (answer.status_code, answer.json()["chain"]) == (200, [])


async def test_use_of_a_model_is_of_the_accounts_that_the_key_sees(gateway: Gateway) -> None:
    gateway.analytics.made = [
        UsageCall(name, "steady", "openrouter/big", T0 - timedelta(hours=1), "ok", 800.0, 0.01, None)
        for name in ("alpha", "beta", "beta")
    ]
    path = f"{BASE}/models/openrouter/big/performance?timeframe=7d"
    whole, own = [(await gateway.call("GET", path, key=key)).json()["usage"] for key in ("admin", "beta")]
    assert (whole["requests"], own["requests"]) == (3, 2)
    assert (await gateway.call("GET", f"{BASE}/models/nobody/knows/performance")).status_code == 404
