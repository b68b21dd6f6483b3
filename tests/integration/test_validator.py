"""The validator against a real NATS server: one proposal in, exactly one terminal event out."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo

from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.decision import DecisionProposed, StrategyRef
from libs.schemas.names import key_of
from libs.schemas.reasons import RejectReason
from libs.schemas.verdict import DecisionEvaluated, DecisionRejected, DecisionValidated
from services.validator.app import create_app
from services.validator.settings import Settings
from tests import builders
from tests.builders import venue
from tests.fakes.validator_values import SHADOW, abstention, account, ask, long_position, proposal, state, strategy
from tests.integration.own_process import own_process
from tests.pace import PATIENCE_S

TERMINALS: dict[str, type[DecisionValidated] | type[DecisionRejected] | type[DecisionEvaluated]] = {
    "validated": DecisionValidated,
    "rejected": DecisionRejected,
    "evaluated": DecisionEvaluated,
}
Terminal = DecisionValidated | DecisionRejected | DecisionEvaluated
pytestmark = pytest.mark.integration


@dataclass
class Bench:
    """A provisioned server with one account, its strategy, its venue, and prices of this moment (wall time)."""

    url: str
    nc: Client
    js: JetStreamContext

    async def put(self, bucket: str, key: str, body: Message) -> None:
        await self.js.publish(f"$KV.{bucket}.{key}", body.model_dump_json().encode(), stream=f"KV_{bucket}")

    async def prepare(self) -> None:
        await self.put("config", subjects.account_key(key_of("acc1")), account())
        await self.put("config", subjects.strategy_key(key_of("trend"), 3), strategy())
        for symbol in ("BTCUSDT", "ETHUSDT"):
            await self.put("config", subjects.venue_key("paper", symbol), venue(symbol))
        held = state(positions=(long_position("ETHUSDT", Decimal(2_400)),))
        await self.put("state", "acc1", held)
        await self.tick("BTCUSDT", 100_000)
        await self.tick("ETHUSDT", 2_500)

    async def tick(self, symbol: str, price: float) -> None:
        body = builders.tick(symbol, price, ts=datetime.now(UTC))
        await self.js.publish(subjects.tick(symbol), body.model_dump_json().encode())

    async def propose(self, given: DecisionProposed) -> None:
        """Times move to now: without a clock in KV market time is wall time."""
        now = datetime.now(UTC)
        shift = now - given.proposed_at
        timed = given.model_copy(update={"proposed_at": now, "expires_at": given.expires_at + shift})
        headers = {"Nats-Msg-Id": f"decision.proposed:{given.decision_id}"}
        subject = subjects.decision_proposed(given.account_id)
        await self.js.publish(subject, timed.model_dump_json().encode(), headers=headers)

    async def terminals(self) -> list[Terminal]:
        """All terminal events that are stored."""
        found: list[Terminal] = []
        info = await self.js.stream_info("DECISIONS")
        for sequence in range(max(1, info.state.first_seq), info.state.last_seq + 1):
            message = await self.js.get_msg("DECISIONS", sequence, direct=True)
            kind = (message.subject or "").split(".")[1]
            if kind in TERMINALS:
                found.append(TERMINALS[kind].model_validate_json(message.data or b""))
        return found

    async def consumer(self) -> ConsumerInfo:
        info: ConsumerInfo = await self.js.consumer_info("DECISIONS", subjects.VALIDATOR_PROPOSALS.name)
        return info

    async def worked_off(self, proposals: int) -> None:
        """Return when every proposal has been acknowledged."""
        async with asyncio.timeout(60):
            while True:
                info = await self.consumer()
                floor = info.ack_floor.stream_seq if info.ack_floor else 0
                seen = info.delivered.consumer_seq if info.delivered else 0
                if floor and seen >= proposals and not info.num_pending and not info.num_ack_pending:
                    return
                await asyncio.sleep(0.02)


@pytest.fixture
async def bench(nats_url: str) -> AsyncIterator[Bench]:
    nc = await nats.connect(nats_url)
    try:
        js = nc.jetstream(timeout=PATIENCE_S)
        await provision_nats(js)
        made = Bench(nats_url, nc, js)
        await made.prepare()
        yield made
    finally:
        await nc.close()


@contextlib.asynccontextmanager
async def validator(url: str, name: str = "v", **more: Any) -> AsyncIterator[Worker]:
    worker = create_app(Settings(nats_url=url, instance=name, mirror_wait=0.3, **more))
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


CASES: dict[str, tuple[DecisionProposed, type[Terminal], str]] = {
    "accepted": (proposal(), DecisionValidated, "accepted"),
    "partial": (proposal(ask(), ask("DOGEUSDT")), DecisionValidated, "partial"),
    "hold": (proposal(ask(action="hold")), DecisionValidated, "hold"),
    "exit": (proposal(ask("ETHUSDT", "close_position")), DecisionValidated, "accepted"),
    "nothing passed": (proposal(ask("DOGEUSDT")), DecisionRejected, RejectReason.NOTHING_PASSED),
    "abstained": (abstention(), DecisionRejected, RejectReason.ABSTAINED),
    "dry run": (proposal(dry_run=True), DecisionEvaluated, "accepted"),
    "shadow": (proposal(ask("DOGEUSDT"), arm=SHADOW), DecisionEvaluated, "denied"),
    "no account": (proposal(account_id="nobody"), DecisionRejected, RejectReason.UNKNOWN_ACCOUNT),
    "no strategy": (proposal(strategy=StrategyRef(id="trend", version=9)), DecisionRejected, RejectReason.NO_STRATEGY),
    "expired": (
        proposal(expires_at=proposal().proposed_at - timedelta(seconds=1)),
        DecisionRejected,
        RejectReason.EXPIRED,
    ),
}


async def test_every_proposal_ends_in_exactly_one_event_of_its_kind(bench: Bench) -> None:
    given = {f"dec-{n}": (name, *case) for n, (name, case) in enumerate(CASES.items())}
    async with validator(bench.url):
        for decision_id, (_, body, _, _) in given.items():
            await bench.propose(body.model_copy(update={"decision_id": decision_id}))
        await bench.worked_off(len(CASES))
    ended = await bench.terminals()
    assert sorted(one.decision_id for one in ended) == sorted(given)
    for one in ended:
        name, _, kind, outcome = given[one.decision_id]
        got = one.reason if isinstance(one, DecisionRejected) else one.status
        assert (name, type(one), got) == (name, kind, outcome)


async def test_verdicts_follow_the_price_of_now(bench: Bench) -> None:
    async with validator(bench.url):
        await bench.tick("BTCUSDT", 101_500)
        await bench.propose(proposal())
        await bench.worked_off(1)
    (ended,) = await bench.terminals()
    assert isinstance(ended, DecisionRejected)
    assert ended.prices_at_validation["BTCUSDT"] == 101_500
    assert "price_drift" in {receipt.rule for receipt in ended.verdicts[0].receipts}


async def test_a_state_that_is_written_while_a_proposal_waits_is_used(bench: Bench) -> None:
    newer = proposal().facts.model_copy(update={"account_version": 8})
    worker = create_app(Settings(nats_url=bench.url, instance="v", mirror_wait=10))
    await worker.start()
    try:
        await bench.propose(proposal(facts=newer))
        async with asyncio.timeout(60):
            while not (await bench.consumer()).num_ack_pending:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.02)
        await bench.put("state", "acc1", state(version=8))
        await bench.worked_off(1)
    finally:
        await worker.stop()
    (ended,) = await bench.terminals()
    assert isinstance(ended, DecisionValidated) and ended.account_version == 8


async def test_two_copies_share_the_work_and_end_each_proposal_once(bench: Bench) -> None:
    async with validator(bench.url, "a"), validator(bench.url, "b"):
        for n in range(60):
            await bench.propose(proposal(decision_id=f"dec-{n}"))
        await bench.worked_off(60)
    ended = await bench.terminals()
    assert sorted(one.decision_id for one in ended) == sorted(f"dec-{n}" for n in range(60))


@contextlib.contextmanager
def process(url: str, failpoint: str) -> Iterator[subprocess.Popen[bytes]]:
    env = {"NATS_URL": url, "PERPETUA_INSTANCE": "victim", "PERPETUA_FAILPOINT": failpoint}
    with own_process("validator", env) as child:
        yield child


@pytest.mark.slow
async def test_a_copy_that_is_killed_before_it_emits_leaves_the_proposal_to_another(bench: Bench) -> None:
    with process(bench.url, "validator.before_emit") as victim:
        await bench.propose(proposal())
        assert await asyncio.to_thread(victim.wait, 120) == -signal.SIGKILL
    assert await bench.terminals() == []
    await bench.tick("BTCUSDT", 100_000)
    async with validator(bench.url):
        await bench.worked_off(2)
    (ended,) = await bench.terminals()
    assert isinstance(ended, DecisionValidated)


@pytest.mark.slow
async def test_a_proposal_whose_acknowledgement_was_lost_keeps_its_first_end(bench: Bench) -> None:
    """It was rejected first; judged again, it passes, and the log does not take that."""
    await bench.propose(proposal())
    taker = await bench.js.pull_subscribe_bind(subjects.VALIDATOR_PROPOSALS.name, "DECISIONS")
    (first,) = await taker.fetch(1, timeout=PATIENCE_S)
    ended = proposal()
    body = DecisionRejected(
        decision_id=ended.decision_id,
        request_id=ended.request_id,
        account_id=ended.account_id,
        context_id=ended.context_id,
        correlation_id=ended.correlation_id,
        reason=RejectReason.NOTHING_PASSED,
        rejected_at=datetime.now(UTC),
    )
    headers = {"Nats-Msg-Id": f"decision.ended:{ended.decision_id}"}
    await bench.js.publish(subjects.decision_rejected(key_of("acc1")), body.model_dump_json().encode(), headers=headers)
    await first.nak()
    async with validator(bench.url):
        await bench.worked_off(2)
    assert await bench.terminals() == [body]
