"""The same decision through the library, over the bus and behind the route gets the same verdicts."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import nats
import pytest
from nats.js import JetStreamContext

from libs.records.provision import provision
from libs.risk.evaluation import Scene, evaluate
from libs.risk.facts import facts_of_context
from libs.risk.marks import Mark, after_tick
from libs.runtime.mongo import client
from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from libs.schemas.account import AccountState
from libs.schemas.base import Message
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed, TradingDecision
from libs.schemas.names import key_of
from libs.schemas.verdict import DecisionEvaluated
from libs.strategies.sample import samples
from services.gateway.app import create_app as create_gateway
from services.gateway.settings import Settings as GatewaySettings
from services.validator.app import create_app as create_validator
from services.validator.settings import Settings as ValidatorSettings
from tests import builders
from tests.builders import venue
from tests.fakes.validator_values import account, ask, decision, long_position, proposal, state, strategy
from tests.integration.api_keys import admin_token
from tests.integration.serving import served
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration
VALIDATE = "/api/v1/decisions/validate"
SPAN = timedelta(seconds=6)  # prices a second apart that make a band
PRICES = {"BTCUSDT": 90_000.0, "ETHUSDT": 3_000.0}
HELD: AccountState = state(positions=(long_position("ETHUSDT", Decimal(2_900)),))
BUY: dict[str, Any] = {"sl_price": 89_000, "tp_price": 93_000}

CASES: dict[str, TradingDecision] = {
    "an entry": decision(ask(**BUY)),
    "one that is too large": decision(ask(**BUY | {"allocation_usd": 9_000, "leverage": 20})),
    "a wrong stop": decision(ask(**BUY | {"sl_price": 95_000})),
    "a bad entry beside a close": decision(ask(**BUY | {"tp_price": 80_000}), ask("ETHUSDT", "close_position")),
    "an unknown asset": decision(ask("DOGEUSDT")),
    "a hold": decision(ask(action="hold")),
    "no stop": decision(ask(**BUY | {"sl_price": None, "tp_price": None})),
    "the other side of a position": decision(
        ask("ETHUSDT", "sell", allocation_usd=100, sl_price=3_100, tp_price=2_500)
    ),
}


@dataclass
class Both:
    """A validator and a gateway on one bus, with the same account, market and context."""

    js: JetStreamContext
    api: httpx.AsyncClient
    context: TradingContext
    marks: dict[str, Mark]
    now: datetime

    async def put(self, bucket: str, key: str, body: Message) -> None:
        await self.js.publish(f"$KV.{bucket}.{key}", body.model_dump_json().encode(), stream=f"KV_{bucket}")

    async def prepare(self) -> None:
        await self.put("config", subjects.account_key(key_of("acc1")), account())
        for key in (subjects.strategy_key(key_of("trend")), subjects.strategy_key(key_of("trend"), 3)):
            await self.put("config", key, strategy())
        for symbol, price in PRICES.items():
            await self.put("config", subjects.venue_key("paper", symbol), venue(symbol))
            tick = builders.tick(symbol, price, ts=self.now - SPAN, funding_rate=0.0001)
            await self.js.publish(subjects.tick(symbol), tick.model_dump_json().encode())
            mark = after_tick(None, tick)
            assert mark is not None
            self.marks[symbol] = mark
        await self.put("state", "acc1", HELD)
        built = self.context.model_dump_json(exclude_none=True).encode()
        await self.js.publish(subjects.context_built(key_of("acc1")), built)

    async def tick(self, **figures: Any) -> None:
        """A tick of BTCUSDT at 90,000 of this moment, but for what is named."""
        body = json.loads(builders.tick("BTCUSDT", 90_000.0, ts=datetime.now(UTC)).model_dump_json()) | figures
        await self.js.publish(subjects.tick("BTCUSDT"), json.dumps(body, default=str).encode())

    def proposed(self, name: str, wanted: TradingDecision) -> DecisionProposed:
        now = datetime.now(UTC)
        return proposal().model_copy(
            update={
                "decision_id": f"dec-{name.replace(' ', '-')}",
                "decision": wanted,
                "facts": facts_of_context(self.context),
                "dry_run": True,
                "proposed_at": now,
                "expires_at": now + timedelta(seconds=60),
            }
        )

    async def over_the_bus(self, given: DecisionProposed) -> DecisionEvaluated:
        subject = subjects.decision_evaluated(key_of("acc1"))
        heard = await self.js._nc.subscribe(subject)
        await self.js.publish(
            subjects.decision_proposed(key_of("acc1")), given.model_dump_json(exclude_none=True).encode()
        )
        try:
            async with asyncio.timeout(60):
                while True:
                    found = DecisionEvaluated.model_validate_json((await heard.next_msg(20)).data)
                    if found.decision_id == given.decision_id:
                        return found
        finally:
            await heard.unsubscribe()

    def by_the_library(self, given: DecisionProposed, wanted: TradingDecision) -> list[dict[str, Any]]:
        rules = {symbol: venue(symbol) for symbol in PRICES}
        now = given.proposed_at
        _, judgement = evaluate(given, wanted, Scene(account(), strategy(), HELD, self.marks, rules, now, 45.0))
        return [one.model_dump(mode="json") for one in judgement.to_wire()]


@pytest.fixture
async def both(nats_url: str, mongo_url: str, mongo_db_name: str) -> AsyncIterator[Both]:
    mongo = client(mongo_url)
    await provision(mongo[mongo_db_name])
    connection = await nats.connect(nats_url)
    js = connection.jetstream(timeout=PATIENCE_S)
    await provision_nats(js)
    token, now = await admin_token(nats_url), datetime.now(UTC)
    shown = samples(strategy(), account())[0].model_copy(update={"context_id": "ctx-1", "timestamp": now})
    places = {"nats_url": nats_url, "mongodb_url": mongo_url, "mongodb_db": mongo_db_name}
    validator = create_validator(ValidatorSettings(nats_url=nats_url))
    gateway = create_gateway(GatewaySettings.model_validate(places))
    transport = httpx.ASGITransport(app=served(gateway))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers, timeout=120) as api:
        made = Both(js, api, shown, {}, now)
        await made.prepare()
        await validator.start()
        await gateway.start()
        yield made
        await gateway.stop()
        await validator.stop()
    await connection.close()
    await mongo.close()


async def test_three_ways_give_the_same_verdicts(both: Both) -> None:
    statuses = set()
    for name, wanted in CASES.items():
        given = both.proposed(name, wanted)
        library = both.by_the_library(given, wanted)
        bus = await both.over_the_bus(given)
        body = {"account_id": "acc1", "decision": wanted.model_dump(mode="json")}
        answer = await both.api.post(VALIDATE, json=body)
        assert answer.status_code == 200, answer.text
        route = answer.json()
        assert [one.model_dump(mode="json") for one in bus.verdicts] == library, name
        assert route["verdicts"] == library, name
        assert (route["status"], route["context_id"]) == (bus.status, "ctx-1"), name
        statuses.add(bus.status)
    assert statuses == {"accepted", "denied", "partial", "hold"}


async def test_validation_stores_and_sends_nothing(both: Both) -> None:
    async def stored() -> dict[str, int]:
        names = ("REQUESTS", "CONTEXTS", "DECISIONS", "ORDERS", "AUDIT", "KV_config", "KV_state")
        return {name: (await both.js.stream_info(name)).state.last_seq for name in names}

    before = await stored()
    body = {"account_id": "acc1", "decision": CASES["an entry"].model_dump(mode="json")}
    assert (await both.api.post(VALIDATE, json=body)).json()["status"] == "accepted"
    assert await stored() == before


async def test_a_context_of_ones_own_is_what_the_decision_was_made_on(both: Both) -> None:
    moved = both.context.market_data.model_dump(mode="json")
    moved["assets"]["BTCUSDT"] |= {"current_price": 95_000.0, "mark_price": 95_000.0}
    shown = both.context.model_dump(mode="json") | {"market_data": moved}
    body = {"decision": CASES["an entry"].model_dump(mode="json"), "context": shown}
    answer = (await both.api.post(VALIDATE, json=body)).json()
    assert [one["reason"] for one in answer["verdicts"][0]["receipts"]][-1] == "price_drift"


async def test_what_cannot_be_judged_says_why(both: Both) -> None:
    wanted = CASES["an entry"].model_dump(mode="json")
    nobody = await both.api.post(VALIDATE, json={"account_id": "nobody", "decision": wanted})
    nameless = await both.api.post(VALIDATE, json={"decision": wanted})
    invented = await both.api.post(VALIDATE, json={"account_id": "acc1", "decision": wanted | {"mood": "good"}})
    assert [one.status_code for one in (nobody, nameless, invented)] == [404, 422, 422]


NOT_SERVED: dict[str, dict[str, Any]] = {
    "a hundred times the price": {"price": 9_000_000.0},
    "a wick that nobody else saw, as in the quotes of 10 October 2025": {"price": 41_000.0},
    "another publisher, one percent away": {"price": 90_900.0, "source": "desk"},
    "another publisher at LUNA's last price": {"price": 0.0001, "source": "backup"},
    "a mark of a tenth": {"price": 90_010.0, "mark_price": 9_001.0},
    "what is no tick": {"price": -1},
    "an older one": {"price": 80_000.0, "ts": "2020-03-12T10:00:00Z"},
}


async def test_a_decision_is_judged_on_the_price_that_contexts_serve(both: Both) -> None:
    for second in range(1, 6):
        await both.tick(ts=both.now - SPAN + timedelta(seconds=second))
    wanted = {"account_id": "acc1", "decision": CASES["an entry"].model_dump(mode="json")}
    for name, figures in NOT_SERVED.items():
        await both.tick(**figures)
        answer = (await both.api.post(VALIDATE, json=wanted)).json()
        shown = answer["facts"]["assets"]["BTCUSDT"]
        assert shown["mark"] == pytest.approx(90_000, rel=0.001), name
        assert answer["status"] == "accepted", name
        await both.tick()


async def test_a_tick_that_was_stored_before_the_question_is_judged_on(both: Both) -> None:
    wanted = {"account_id": "acc1", "decision": CASES["an entry"].model_dump(mode="json")}
    for price in (90_100.0, 90_200.0, 90_050.0):
        await both.tick(price=price)
        answer = (await both.api.post(VALIDATE, json=wanted)).json()
        assert answer["facts"]["assets"]["BTCUSDT"]["mark"] == price
