"""What must hold over the log and the database after any run, however it was disturbed."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from pymongo.asynchronous.database import AsyncDatabase

from libs.configuration.mirror import ConfigMirror, StateMirror
from libs.records.collections import ACCOUNTS, DECISIONS, FILLS, ORDER_INTENTS, ORDER_PLANS, REQUESTS
from libs.runtime.bus import Bus
from libs.runtime.mongo import Document, client
from libs.runtime.reader import Record, Start, read_all
from libs.schemas import ids
from libs.schemas.orders import TERMINAL_STATES

OF_ORDERS = tuple(f"order.{kind}" for kind in ("placed", "filled", "rejected", "canceled", "denied"))
TERMINAL = ("decision.validated", "decision.rejected", "decision.answered", "decision.evaluated")


@dataclass
class Log:
    """Every message of the streams that matter, by `<noun>.<verb>`."""

    messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        kind = ".".join(record.subject.split(".", 2)[:2])
        self.messages.setdefault(kind, []).append({**orjson.loads(record.data), "sequence": record.sequence})

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """Messages of these kinds in the order of their stream."""
        found = [message for kind in kinds for message in self.messages.get(kind, [])]
        return sorted(found, key=lambda message: int(message["sequence"]))


async def read_log(bus: Bus) -> Log:
    log = Log()
    for stream, subject in (("REQUESTS", ">"), ("CONTEXTS", ">"), ("DECISIONS", ">"), ("ORDERS", ">"), ("DEAD", ">")):
        await read_all(bus, stream, [subject], log.take, start=Start.all())
    return log


def twice(values: list[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def check_log(log: Log) -> None:
    """R1 and R2 over the log: one terminal event a request, one order an id, nothing twice."""
    assert log.of("decision.requested"), "the run made no requests"
    requests = [m["request_id"] for m in log.of("decision.requested")]
    assert twice(requests) == []
    ended = Counter(m["request_id"] for m in log.of(*TERMINAL) if not is_shadow(m))
    wrong = {r: ended[r] for r in requests if ended[r] != 1}
    assert wrong == {}, f"of {len(requests)} requests these have no single terminal event: {wrong}"
    assert twice([m["context_id"] for m in log.of("context.built")]) == []
    assert twice([m["decision_id"] for m in log.of("decision.proposed")]) == []
    placed = [m["intent"]["client_order_id"] for m in log.of("order.placed")]
    assert twice(placed) == [], "orders placed twice"
    assert twice([m["fill"]["fill_id"] for m in log.of("order.filled")]) == [], "fills twice"
    assert twice([m["event_id"] for m in log.of("order.placed", "order.filled", "order.canceled")]) == []
    gone = {m["intent"]["client_order_id"] for m in log.of("order.canceled", "order.rejected")}
    entries = Counter(  # one that rested in vain is taken back and placed anew, under the next number
        (m["decision_id"], m["intent"]["symbol"])
        for m in log.of("order.placed")
        if m["intent"]["leg"] == "entry" and m["intent"]["client_order_id"] not in gone
    )
    assert [key for key, count in entries.items() if count > 1] == [], "two entries for one asset of one decision"
    validated = {m["decision_id"] for m in log.of("decision.validated")}
    assert {key[0] for key in entries} <= validated
    check_shadows(log)


def is_shadow(message: dict[str, Any]) -> bool:
    return bool((message.get("arm") or {}).get("shadow"))


def check_shadows(log: Log) -> int:
    """R1 of shadow arms: each one that a context names ends in exactly one evaluated, and nothing comes of it.

    Returns how many there were.
    """
    wanted = [
        ids.shadow_decision_id(context["context_id"], arm["experiment"], arm["name"])
        for context in log.of("context.built")
        for arm in (context.get("assignment") or {}).get("shadows", ())
    ]
    evaluated = Counter(m["decision_id"] for m in log.of("decision.evaluated") if is_shadow(m))
    assert evaluated == Counter(wanted), "shadow arms without a single decision.evaluated"
    others = [m["decision_id"] for m in log.of(*TERMINAL) if is_shadow(m) and m["decision_id"] not in evaluated]
    assert others == [], "shadow arms that ended in something else"
    assert not {m["decision_id"] for m in log.of("order.placed")} & evaluated.keys(), "a shadow arm was executed"
    return len(wanted)


async def check_books(bus: Bus, log: Log) -> None:
    """R4: each wallet is what it began with plus everything that the log says happened to it."""
    config, state = ConfigMirror(bus), StateMirror(bus)
    await config.start()
    await state.start()
    for account_id, account in config.accounts.items():
        present = state.get(account_id)
        assert present is not None
        events = [
            m
            for m in log.of("position.opened", "position.changed", "position.closed", "position.liquidated")
            if m["account_id"] == account_id
        ]
        gained = ("realized_pnl", "funding", "insolvency")
        moved = sum((sum(Decimal(m.get(k, 0)) for k in gained) - Decimal(m["fee"]) for m in events), Decimal(0))
        assert present.wallet_balance == account.initial_balance + moved
        versions = [m["account_version"] for m in events]
        assert versions == sorted(versions)
    await state.stop()
    await config.stop()


async def _relayed(db: AsyncDatabase[Document]) -> None:
    """Return when no account has anything left to tell or to keep."""
    waiting = {"$or": [{"outbox.0": {"$exists": True}}, {"plans.0": {"$exists": True}}]}
    async with asyncio.timeout(60):
        while await db[ACCOUNTS].find_one(waiting, {"_id": 1}):  # noqa: ASYNC110 - the executor has no event for it
            await asyncio.sleep(0.1)


async def check_database(url: str, log: Log) -> None:
    """R3: what the log says is in the read models; every stored intent is where its events say."""
    mongo = client(url)
    db = mongo["perpetua"]
    try:
        stored = {d["_id"]: d async for d in db[DECISIONS].find({})}
        requests = {d["_id"]: d async for d in db[REQUESTS].find({})}
        for message in log.of(*TERMINAL):
            if "answered_by" in message:
                assert requests[message["request_id"]]["answered_by"] == message["answered_by"]
            else:
                assert stored[message["decision_id"]]["status"] not in ("pending", "proposed")
        fills = [d["_id"] async for d in db[FILLS].find({}, {"_id": 1})]
        assert sorted(fills) == sorted(m["fill"]["fill_id"] for m in log.of("order.filled"))
        await _relayed(db)
        plans = {p["_id"]: p["intents"] async for p in db[ORDER_PLANS].find({}, {"intents.client_order_id": 1})}
        assert set(plans) <= {m["decision_id"] for m in log.of("decision.validated")}
        told = {m["intent"]["client_order_id"]: m["intent"]["state"] for m in log.of(*OF_ORDERS)}
        planned = {intent["client_order_id"] for intents in plans.values() for intent in intents}
        assert planned <= told.keys(), "intents that never reached the venue"
        ended = {i["_id"]: i["state"] async for i in db[ORDER_INTENTS].find({}, {"state": 1})}
        assert ended == {order: state for order, state in told.items() if state in TERMINAL_STATES}
    finally:
        await mongo.close()
