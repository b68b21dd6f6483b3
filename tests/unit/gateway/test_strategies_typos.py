"""Typing mistakes in strategies that come over HTTP are told by their path and what was meant."""

from libs.schemas.account import Account
from libs.schemas.strategy import TradingStrategy
from tests.fakes.gateway_ports import Gateway
from tests.fakes.typos import typos
from tests.unit.gateway.test_strategies import BASE, STRATEGIES, WRAPPED, gateway, mistake

__all__ = ["gateway"]  # a fixture


async def test_every_typing_mistake_is_a_problem_with_its_path_and_what_was_meant(gateway: Gateway) -> None:
    before = len(gateway.store.writes)
    for typo in [typo for typo in typos(Account, TradingStrategy) if typo.nested or typo.name == "model"]:
        noun = "account" if typo.kind is Account else "strategy"
        made, changed = DOORS[noun]
        for (method, path), fields in ((made, typo.body), (changed, typo.fields)):
            answer = await gateway.call(method, BASE + path, json={noun: fields, "reason": "x"})
            assert (answer.status_code, answer.json()["detail"]) == (422, typo.said), answer.text
            assert answer.json()["errors"] == [mistake(typo, f"body.{noun}.")], answer.text
    assert len(gateway.store.writes) == before


async def test_a_typing_mistake_is_told_by_what_only_tries_a_strategy(gateway: Gateway) -> None:
    (typo,) = [typo for typo in typos(TradingStrategy) if typo.name == "max_leverage"]
    tried = await gateway.call("POST", f"{STRATEGIES}/validate", json=typo.body)
    assert tried.json() == {"valid": False, "errors": [mistake(typo)]}
    shown = await gateway.call("POST", f"{STRATEGIES}/own/preview", json={"strategy": typo.body})
    assert (shown.status_code, shown.json()["detail"]) == (422, typo.said)


DOORS = {
    "account": (("POST", "/accounts"), ("PATCH", "/accounts/beta")),
    "strategy": (("POST", "/strategies/custom"), ("PUT", "/strategies/trend")),
}


async def test_what_wraps_a_change_has_no_other_fields_either(gateway: Gateway) -> None:
    for case, (method, path, body, said) in WRAPPED.items():
        answer = await gateway.call(method, BASE + path, json=body)
        expected = "body." + said.format("there is no such field")
        assert (answer.status_code, answer.json()["detail"]) == (422, expected), case
