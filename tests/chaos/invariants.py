"""The log after a run, and what `perpetua verify` says of it: however a run was disturbed, every promise holds."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from pymongo.asynchronous.database import AsyncDatabase

from cli.ask.records import records
from cli.ask.verifying import Verified, lines, verified
from libs.invariants.books import fills_are_booked, wallets_add_up
from libs.invariants.log import Log as Rows
from libs.invariants.orders import entries_are_one_order, intents_end
from libs.invariants.protection import positions_are_protected
from libs.invariants.values import InvariantCheck
from libs.records.books import books_and_plans, ended_intents
from libs.runtime.bus import Bus
from libs.runtime.mongo import Document
from libs.runtime.reader import Record, Start, read_all
from services.executor.domain.book import PROTECTION_GRACE
from tests.chaos.pipeline import WAIT_S, Pipeline

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


async def judged(run: Pipeline) -> Verified:
    """What `perpetua verify` says of a run that is quiet: nothing is broken, and nothing is in hand."""
    async with records(run.mongodb_url) as db:
        return await verified(run.bus, db, datetime.now(UTC))


async def every_promise_holds(run: Pipeline) -> Verified:
    """Executors have told and kept everything a moment after the last message was acknowledged."""
    async with asyncio.timeout(WAIT_S):
        result = await judged(run)
        while result.status == "holds" and any(check.moving for check in result.checks):
            await asyncio.sleep(0.2)
            result = await judged(run)
    told = "\n".join(lines(result))
    assert result.status == "holds", told
    assert [check.promise for check in result.checks if check.expired] == [], told
    return result


def is_shadow(message: dict[str, Any]) -> bool:
    return bool((message.get("arm") or {}).get("shadow"))


async def broken_of(db: AsyncDatabase[Document], rows: Rows, account_id: str) -> list[str]:
    """What is broken of one account, where there is an executor and nothing else."""
    books, plans = await books_and_plans(db)
    mine = {account_id: books[account_id]}
    planned = [plan for plan in plans.values() if plan.account_id == account_id]
    told = {row.order_id for row in rows.orders} | {i.order_id for plan in planned for i in plan.intents}
    ended = {order_id: state for order_id, state in (await ended_intents(db)).items() if order_id in told}
    return _told(
        (
            entries_are_one_order(rows, planned, mine),
            intents_end(rows, planned, mine, ended),
            wallets_add_up(rows, mine),
            fills_are_booked(rows),
            positions_are_protected(rows, mine, PROTECTION_GRACE, datetime.now(UTC)),
        )
    )


def _told(checks: Iterable[InvariantCheck]) -> list[str]:
    broken = [f"{breach.about}: {breach.said}" for check in checks for breach in check.breaches]
    return broken + [f"{check.promise}: {check.moving} in hand" for check in checks if check.moving]
