"""Outcomes from the log to the API, against real servers: followed, made up for after a downtime, found by an index."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from nats.js import JetStreamContext

from libs.analytics.accuracy import JudgedEntries
from libs.analytics.experiments import report
from libs.records.collections import OUTCOMES, TRADES
from libs.records.decided import arms_of
from libs.records.outcomes import judged
from libs.records.provision import provision
from libs.records.reading import RecordsDb
from libs.runtime.mongo import client
from libs.schemas import ids, subjects
from libs.schemas.decision import Arm
from libs.schemas.experiment import Experiment
from libs.schemas.market import Candle
from libs.schemas.names import key_of
from libs.schemas.reasons import OrderReason
from libs.schemas.verdict import DecisionEvaluated
from services.ledger.adapters.mongo import MongoStore
from services.ledger.adapters.mongo_outcomes import OutcomeDocuments
from services.ledger.domain.project import project
from services.ledger.ports import OutcomeStore
from tests import builders
from tests.fakes.ledger_chain import T0, Chain
from tests.fakes.ledger_outcomes import FakeOutcomes, outcome_desk
from tests.fakes.ledger_store import FakeStore
from tests.integration.serving import Running, running, started
from tests.integration.test_ledger import plain
from tests.pace import PATIENCE_S
from tests.unit.ledger.test_outcomes import book, candles

__all__ = ["running"]
pytestmark = pytest.mark.integration
CHAIN = Chain()


def closed(minutes: int = 30) -> Any:
    (_, last) = CHAIN.positions()
    return builders.position_event(
        "closed",
        event_id="out",
        account_id=CHAIN.account,
        account_version=9,
        before=last.after,
        realized_pnl=Decimal(2),
        cause=OrderReason.TARGET,
        decision_id=CHAIN.decision_id,
        at=T0 + timedelta(minutes=minutes),
    )


async def lived(js: JetStreamContext) -> None:
    """The whole life of a decision goes into the log."""
    ends = [(subjects.position_event("closed", key_of(CHAIN.account)), closed())]
    for subject, body in [*CHAIN.messages(), *ends]:
        await js.publish(subject, body.model_dump_json().encode())


async def published(js: JetStreamContext, of: Iterable[Candle]) -> None:
    for candle in of:
        await js.publish(subjects.candle(candle.symbol, candle.timeframe), candle.model_dump_json().encode())


async def outcome(to: Running, field: str) -> dict[str, Any]:
    """That of the chain's asset, once a field of it is known."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await to.api.get(f"/api/v1/decisions/{CHAIN.decision_id}")
            (asset,) = ((answer.json().get("outcome") or {}).get("assets")) or [{}]
            if asset.get(field) is not None:
                return dict(asset)
            await asyncio.sleep(0.05)


async def test_an_outcome_follows_the_market_into_the_record_and_the_figures(running: Running) -> None:
    await lived(running.js)
    await published(running.js, candles(-5, 70))
    asset = await outcome(running, "return_1h")
    assert (asset["return_1h"], asset["return_4h"]) == (pytest.approx(0.1), None)
    asset = await outcome(running, "mfe")
    assert (asset["status"], Decimal(asset["slippage"])) == ("hit_tp", Decimal("0.15"))
    assert (asset["mfe"], asset["mae"]) == pytest.approx((100 / 600, -3 / 600))
    (trade,) = (await running.api.get("/api/v1/accounts/alpha/trades")).json()["items"]
    assert (Decimal(trade["exit_price"]), trade["ended_by"], trade["mfe"]) == (Decimal(60_100), "target", asset["mfe"])
    told = (await running.api.get("/api/v1/decisions/accuracy?timeframe=366d&model=builtin/rules-2")).json()
    assert [(row["entries"], row["right"], row["waiting"]) for row in told["horizons"]] == [
        (1, 1, 0),
        (0, 0, 1),
        (0, 0, 1),
    ]
    for query, entries in (("model=other", 0), ("symbol=ETHUSDT", 0), ("symbol=BTCUSDT", 1), ("strategy_id=steady", 1)):
        narrowed = (await running.api.get(f"/api/v1/decisions/accuracy?timeframe=366d&{query}")).json()
        assert narrowed["entries"] == entries, query
    table = (await running.api.get("/api/v1/decisions/calibration?timeframe=366d&horizon=1h")).json()["table"]
    assert [(row["low"], row["entries"], row["hit_rate"]) for row in table] == [(70, 1, 1)]


async def test_a_ledger_that_was_down_makes_up_for_what_the_log_still_tells(
    nats_url: str, mongo_url: str, mongo_db_name: str
) -> None:
    async with started(nats_url, mongo_url, mongo_db_name) as before:
        await lived(before.js)
        await before.stored()
    async with started(nats_url, mongo_url, mongo_db_name) as after:
        await published(after.js, candles(0, 40))
        await published(after.js, candles(180, 320))
    async with started(nats_url, mongo_url, mongo_db_name) as again:
        asset = await outcome(again, "return_4h")
    assert asset["return_4h"] == pytest.approx(0.4)
    assert asset["unknown"] == {"1h": "no candle closed within 5 minutes before its time"}
    assert asset["mfe"] is not None


@pytest.fixture
async def db(mongo_url: str, mongo_db_name: str) -> AsyncIterator[RecordsDb]:
    connection = client(mongo_url)
    await provision(connection[mongo_db_name])
    yield connection[mongo_db_name]
    await connection.close()


async def exhausted(store: OutcomeStore, until: int) -> None:
    desk = outcome_desk(store, book(candles(-5, until)))
    while await desk.once():
        pass


async def test_the_store_of_outcomes_and_its_fake_agree(db: RecordsDb) -> None:
    """The contract of the port: looks between the events, in any order, leave the same documents in both."""
    numbers, fake, store = random.Random(3), FakeStore(), MongoStore(db)
    bodies = [body for _, body in CHAIN.messages()] + [CHAIN.rejected(), closed()]
    for body in numbers.sample(bodies + bodies, k=len(bodies) * 2):
        fake.apply_now(project(body, T0))
        await store.apply(project(body, T0))
        until = numbers.choice([20, 70, 250])
        await exhausted(FakeOutcomes(fake), until)
        await exhausted(OutcomeDocuments(db), until)
    for name in (OUTCOMES, TRADES):
        rows = {row["_id"]: plain(row) for row in await db[name].find().to_list()}
        for row in rows.values():
            row.get("event_ids", []).sort()
        assert rows == {key: plain(row) for key, row in fake.comparable()[name].items()}


async def test_what_is_due_is_found_by_an_index_among_many(db: RecordsDb) -> None:
    done: list[dict[str, Any]] = [
        {"_id": f"d{n}", "due": [{"asset": "XRPUSDT", "at": T0, "horizon": "1h"}], "rank": "1"} for n in range(2_000)
    ]
    await db[OUTCOMES].insert_many(done)
    await MongoStore(db).apply(project(CHAIN.validated(), T0))
    come = {"BTCUSDT": T0 + timedelta(hours=2), "ETHUSDT": T0}
    (due,) = await OutcomeDocuments(db).due(come)
    assert (due.asset, due.horizon) == ("BTCUSDT", "1h")
    each = [{"due": {"$elemMatch": {"asset": symbol, "at": {"$lte": at}}}} for symbol, at in come.items()]
    stats = (await db[OUTCOMES].find({"$or": each}).explain())["executionStats"]
    assert max(stats["totalDocsExamined"], stats["totalKeysExamined"]) <= 4, stats
    assert await judged(db, {"account_id": "nobody"}, None, None) == JudgedEntries([])


async def test_of_too_many_decisions_the_newest_count_and_it_is_told(db: RecordsDb) -> None:
    asset = {"sign": 1, "confidence": 60.0, "price": 100.0, "after": {"1h": 101.0}, "unknown": {}}
    rows: list[dict[str, Any]] = [
        {
            "_id": f"d{n}",
            "shadow": False,
            "dry_run": False,
            "judged_at": T0 + timedelta(hours=n),
            "assets": {"A": asset},
        }
        for n in range(3)
    ]
    await db[OUTCOMES].insert_many(rows)
    whole, newest = await judged(db, {}, None, None, most=3), await judged(db, {}, None, None, most=2)
    assert (len(whole.entries), whole.cut_at) == (3, None)
    assert (len(newest.entries), newest.cut_at) == (2, T0 + timedelta(hours=1))


async def test_arms_of_an_experiment_are_compared_by_the_prices_that_were_kept(db: RecordsDb) -> None:
    """The log of candles is not asked: it may have forgotten them."""
    arm = Arm(experiment="brave", name="b", shadow=True)
    live = CHAIN.validated()
    beside = DecisionEvaluated.model_validate(
        live.model_dump() | {"arm": arm, "decision_id": ids.decision_id(CHAIN.context_id, arm.name)}
    )
    store = MongoStore(db)
    for body in (CHAIN.context(), live, beside):
        await store.apply(project(body, T0))
    await exhausted(OutcomeDocuments(db), 70)
    brave = {"name": "brave", "mode": "shadow", "arms": [{"name": "b", "params": {"seed": 1}}]}
    decided = await arms_of(db, Experiment.model_validate(brave))
    assert sorted(one.arm for one in decided) == ["b", "live"]
    told = report(decided, ["live", "b"], {}, paired=True)
    assert [arm.returns["1h"] for arm in told.arms] == pytest.approx([0.1, 0.1])
    assert [arm.returns["4h"] for arm in told.arms] == [None, None]
    assert {pair.baseline: pair.differences[0].mean for pair in told.markets if pair.arm == "b"} == {
        "flat": pytest.approx(0.1),
        "buy and hold": 0.0,
    }
