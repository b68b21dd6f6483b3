"""What is asked of the run, and what came of it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from libs.runtime.reader import Record

DECISIONS = "/api/v1/decisions"
GENERATE = f"{DECISIONS}/generate"
MINE = "mine"
Body = dict[str, Any]


@dataclass(frozen=True)
class Traded:
    """The answer to a request whose decision was filled, and all messages of its chain by `<noun>.<verb>`."""

    result: Body
    log: dict[str, list[Record]]

    def first(self, kind: str) -> Record:
        return self.log[kind][0]


async def record_of(api: httpx.AsyncClient, decision_id: str, *, orders: int = 0, fills: int = 0) -> Body:
    """The whole record; the ledger follows the log, a moment behind."""
    async with asyncio.timeout(60):
        while True:
            answer = await api.get(f"{DECISIONS}/{decision_id}")
            assert answer.status_code == 200, answer.text
            record: Body = answer.json()
            if record["terminal_at"] and len(record["orders"]) >= orders and len(record["fills"]) >= fills:
                return record
            await asyncio.sleep(0.02)
