"""Asking for a decision: who waits for what, and what they get."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from libs.runtime.emit import Emit
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest
from libs.schemas.reasons import AbstainReason, RejectReason
from libs.schemas.verdict import DecisionAnswered, DecisionEvaluated
from services.gateway.domain.limits import Rates
from tests.fakes.gateway_ports import Gateway, record
from tests.fakes.gateway_ports import account as named_account
from tests.fakes.ledger_chain import Chain, later

PATH = "/api/v1/decisions/generate"
WISH = {"account_id": "alpha"}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Script = Callable[[Chain], Iterable[Message]]


def chain_of(emit: Emit) -> Chain:
    assert isinstance(emit.body, DecisionRequest)
    return Chain(account=emit.body.account_id, request_id=emit.body.request_id, dry_run=emit.body.dry_run)


def gateway_with(script: Script) -> Gateway:
    gateway = Gateway()
    gateway.log.respond = lambda emit: script(chain_of(emit))
    return gateway


def request_in(gateway: Gateway, n: int = 0) -> DecisionRequest:
    body = gateway.log.published[n].body
    assert isinstance(body, DecisionRequest)
    return body


def whole(chain: Chain) -> Iterable[Message]:
    return (chain.request(), chain.proposed(), chain.validated(), *chain.orders())


async def test_the_end_of_a_decision_is_the_answer() -> None:
    gateway = gateway_with(whole)
    response = await gateway.call("POST", PATH, json=WISH)
    assert response.status_code == 200, response.text
    body = response.json()
    chain = chain_of(gateway.log.published[0])
    assert (body["decision_id"], body["request_id"]) == (chain.decision_id, chain.request_id)
    assert (body["status"], body["model_used"], body["api_cost"]) == ("accepted", "builtin/rules-2", 0.004)
    assert body["warnings"] == ["BTCUSDT: the stop was set by rule"]
    assert body["errors"] == []
    (order,) = body["orders"]
    assert (order["state"], order["filled"], order["average_price"], order["fee"]) == (
        "filled",
        "0.020",
        "60007.5",
        "0.6",
    )
    times = body["processing_time_ms"]
    assert (times["context"], times["model"], times["engine"]) == (3.5, 40, 0.7)


async def test_orders_that_do_not_come_hold_the_answer_for_half_a_second_only() -> None:
    gateway = gateway_with(lambda chain: (chain.proposed(), chain.validated()))
    body = (await gateway.call("POST", PATH, json=WISH)).json()
    assert (body["status"], body["orders"]) == ("accepted", [])
    assert gateway.clock.elapsed == pytest.approx(0.5)


async def test_an_order_at_the_market_that_is_placed_and_not_filled_yet_is_waited_for() -> None:
    gateway = gateway_with(lambda chain: (chain.proposed(), chain.validated(), chain.orders()[0]))
    (order,) = (await gateway.call("POST", PATH, json=WISH)).json()["orders"]
    assert (order["state"], order["filled"]) == ("open", "0")
    assert gateway.clock.elapsed == pytest.approx(0.5)


def abstained(chain: Chain) -> Iterable[Message]:
    return (
        chain.rejected(RejectReason.ABSTAINED).model_copy(
            update={"abstain_reason": AbstainReason.BUDGET, "detail": ""}
        ),
    )


def evaluated(chain: Chain) -> Iterable[Message]:
    return (DecisionEvaluated.model_validate(chain.validated().model_dump()),)


@pytest.mark.parametrize(
    ("script", "status", "errors"),
    [
        (abstained, "abstained", ["budget"]),
        (lambda chain: (chain.rejected(RejectReason.NO_MARKET),), "rejected", ["no_market: eight deliveries"]),
        (lambda chain: (chain.rejected(RejectReason.NOTHING_PASSED),), "denied", ["nothing_passed: eight deliveries"]),
        (evaluated, "evaluated", []),
    ],
    ids=["abstained", "rejected", "denied", "evaluated"],
)
async def test_every_end_is_an_answer(script: Script, status: str, errors: list[str]) -> None:
    body = (await gateway_with(script).call("POST", PATH, json=WISH)).json()
    assert (body["status"], body["errors"]) == (status, errors)


async def test_ends_of_other_decisions_are_not_taken() -> None:
    gateway = gateway_with(lambda chain: (Chain(request_id="other").validated(),))
    assert (await gateway.call("POST", f"{PATH}?timeout=2", json=WISH)).status_code == 503


async def test_no_answer_in_time_gives_503_with_the_place_to_look() -> None:
    gateway = Gateway()
    response = await gateway.call("POST", PATH, json=WISH | {"timeout": 3})
    assert response.status_code == 503
    assert response.json()["type"] == "urn:perpetua:problem:no-answer-in-time"
    chain = chain_of(gateway.log.published[0])
    assert response.headers["location"] == f"/api/v1/decisions/{chain.decision_id}"
    assert gateway.clock.elapsed == pytest.approx(3)


async def test_the_history_helps_out_when_the_subscription_missed_the_end() -> None:
    gateway = Gateway()

    def store(chain: Chain) -> Iterable[Message]:
        gateway.records.decisions[chain.decision_id] = record(chain)
        return ()

    gateway.log.respond = lambda emit: store(chain_of(emit))
    body = (await gateway.call("POST", PATH, json=WISH)).json()
    assert (body["status"], body["cached"]) == ("accepted", False)
    assert gateway.clock.elapsed == pytest.approx(1)


async def test_a_joined_request_is_answered_by_the_decision_that_it_joined() -> None:
    other = Chain(request_id="other")

    def joined(chain: Chain) -> Iterable[Message]:
        answer = DecisionAnswered(
            decision_id=chain.decision_id,
            context_id=chain.context_id,
            request_id=chain.request_id,
            account_id="alpha",
            answered_by=other.decision_id,
            why="joined",
            correlation_id="c",
            answered_at=later(0),
        )
        return (answer, other.proposed(), other.validated(), *other.orders())

    body = (await gateway_with(joined).call("POST", PATH, json=WISH)).json()
    assert (body["decision_id"], body["cached"], len(body["orders"])) == (other.decision_id, True, 1)
    assert body["request_id"] != other.request_id


async def test_respond_async_answers_at_once() -> None:
    gateway = Gateway()
    response = await gateway.call("POST", PATH, json=WISH, headers={"Prefer": "wait=5, respond-async"})
    assert response.status_code == 202
    body = response.json()
    assert response.headers["location"] == body["location"] == f"/api/v1/decisions/{body['decision_id']}"
    assert gateway.clock.elapsed == 0
    assert len(gateway.log.published) == 1


async def test_an_account_that_the_key_does_not_see_is_not_there() -> None:
    gateway = Gateway()
    for account in ("alpha", "gamma"):
        response = await gateway.call("POST", PATH, key="beta", json={"account_id": account})
        assert response.status_code == 404
    assert gateway.log.published == []


async def test_the_id_of_a_request_is_a_trace_and_makes_nothing_the_same() -> None:
    gateway = gateway_with(whole)
    for _ in range(2):
        await gateway.call("POST", PATH, json=WISH, headers={"X-Request-Id": "r1"})
    first, second = (chain_of(emit).decision_id for emit in gateway.log.published)
    assert first != second


async def test_a_decision_goes_on_without_the_history() -> None:
    gateway = gateway_with(whole)
    gateway.records.away = True
    assert (await gateway.call("POST", PATH, json=WISH)).json()["status"] == "accepted"
    silent = Gateway()
    silent.records.away = True
    answer = await silent.call("POST", PATH, json=WISH | {"timeout": 3})
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "no-answer-in-time")


async def test_an_answer_that_it_may_still_happen_says_where_to_look() -> None:
    gateway = Gateway()
    gateway.log.away = gateway.log.unsure = True
    answer = await gateway.call("POST", PATH, json=WISH)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "may-still-happen")
    assert answer.headers["location"].startswith("/api/v1/decisions/dec-")
    gateway.log.unsure = False
    answer = await gateway.call("POST", PATH, json=WISH)
    assert (answer.json()["type"].rpartition(":")[2], "location" in answer.headers) == ("dependency-away", False)


async def test_an_account_may_be_named_by_a_number() -> None:
    gateway = gateway_with(whole)
    gateway.accounts.known["7"] = named_account("7")
    assert (await gateway.call("POST", PATH, json={"account_id": 7})).json()["account_id"] == "7"


async def test_of_one_account_and_symbol_only_so_many_decisions_a_minute_are_asked_for() -> None:
    gateway = Gateway(rates=Rates(of_symbol=2))
    gateway.log.respond = lambda emit: whole(chain_of(emit))
    answers = [await gateway.call("POST", PATH, json=WISH | {"symbols": ["BTCUSDT"]}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) <= 60
    other = await gateway.call("POST", PATH, json=WISH | {"symbols": ["ETHUSDT"]})
    assert other.status_code == 200
    gateway.clock.advance(60)
    assert (await gateway.call("POST", PATH, json=WISH | {"symbols": ["BTCUSDT"]})).status_code == 200


@pytest.mark.parametrize(("speed", "timeout", "life"), [(1, 30, 60), (1, 120, 120), (60, 30, 1800)])
async def test_a_request_lives_as_long_as_its_client_waits_in_market_time(
    speed: float, timeout: float, life: float
) -> None:
    gateway = gateway_with(whole)
    gateway.clock.speed = speed
    await gateway.call("POST", f"{PATH}?timeout={timeout}", json=WISH)
    request = request_in(gateway)
    assert request.expires_at - request.requested_at == timedelta(seconds=life)
    assert request.requested_at == later(0)


async def test_the_wish_reaches_the_bus() -> None:
    gateway = gateway_with(whole)
    wish: dict[str, Any] = WISH | {
        "symbols": ["ETHUSDT"],
        "model": "m",
        "strategy_override": "steady",
        "force_refresh": True,
    }
    await gateway.call("POST", PATH, json=wish | {"dry_run": True}, headers={"traceparent": TRACEPARENT})
    emit, request = gateway.log.published[0], request_in(gateway)
    assert emit.subject == "decision.requested.alpha"
    assert (request.symbols, request.model, request.strategy_override) == (("ETHUSDT",), "m", "steady")
    assert (request.force_refresh, request.dry_run, request.trigger.kind) == (True, True, "api")
    assert request.requested_by.startswith("key-")
    assert gateway.log.headers == [{"traceparent": TRACEPARENT}]


@pytest.mark.parametrize("given", ["nonsense", TRACEPARENT.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01"])
async def test_a_bad_traceparent_is_left_out(given: str) -> None:
    gateway = gateway_with(whole)
    await gateway.call("POST", PATH, json=WISH, headers={"traceparent": given})
    assert gateway.log.headers == [{}]
