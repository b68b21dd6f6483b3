"""Redis and a model in memory: what was answered is kept for whoever asks again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, TypeVar

from libs.runtime.errors import Unavailable
from libs.schemas.account import Account
from libs.schemas.decision import TokenUsage
from services.context.domain.reuse import Kept
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.gate import Admitted, Denied, WorstCase
from services.decider.domain.replies import Outcome, Reply
from services.decider.domain.settlement import Settlement
from services.decider.ports import StoreAway
from simulation.process import Link, SimulatedProcess

CLAIM_S = 5.0
T = TypeVar("T")


@dataclass(slots=True)
class AnswerDatabase:
    """What Redis holds of the decider and the context worker."""

    replies: dict[str, dict[int, Reply]] = field(default_factory=dict)
    claims: dict[str, tuple[str, float]] = field(default_factory=dict)
    reusable: dict[str, Kept] = field(default_factory=dict)


class SimulatedAnswers:
    def __init__(self, process: SimulatedProcess, database: AnswerDatabase) -> None:
        self._link = Link(process, "redis", ordered=True)
        self._database = database
        self._loop = process.world.loop

    async def kept(self, decision_id: str) -> list[Reply]:
        found = await self._ask("kept", lambda: dict(self._database.replies.get(decision_id, {})))
        return [found[number] for number in sorted(found)]

    async def keep(self, decision_id: str, attempt: int, reply: Reply) -> Reply:
        def update() -> Reply:
            return self._database.replies.setdefault(decision_id, {}).setdefault(attempt, reply)

        return await self._ask("keep answer", update)

    @asynccontextmanager
    async def claim(self, call_id: str) -> AsyncIterator[bool]:
        """A claim that lapses when its worker dies; renewed, it would be another loop and nothing else."""

        claims, owner = self._database.claims, self._link.process.name

        def take() -> bool:
            if call_id in claims and claims[call_id][1] > self._loop.time():
                return False
            claims[call_id] = owner, self._loop.time() + CLAIM_S
            return True

        def release() -> None:
            if call_id in claims and claims[call_id][0] == owner:
                del claims[call_id]

        try:
            ours = await self._ask("claim", take)
        except StoreAway:
            yield True
            return
        try:
            yield ours
        finally:
            if ours:
                self._link.tell("beat", release)

    async def _ask(self, what: str, do: Callable[[], T]) -> T:
        try:
            return await self._link.ask(what, do)
        except Unavailable as error:
            raise StoreAway(str(error)) from error


class SimulatedReuse:
    """Which decisions may be used again; while the index is away there are none."""

    def __init__(self, process: SimulatedProcess, database: AnswerDatabase) -> None:
        self._link = Link(process, "redis", ordered=True)
        self._database = database

    async def find(self, key: str) -> Kept | None:
        try:
            return await self._link.ask("find reuse", lambda: self._database.reusable.get(key))
        except Unavailable:
            return None

    async def keep(self, key: str, kept: Kept) -> None:
        try:
            await self._link.ask("keep reuse", lambda: self._database.reusable.setdefault(key, kept))
        except Unavailable:
            return


class OpenGate:
    """Nothing is paid here."""

    async def admit(
        self, call_id: str, account: Account | None, entry: CatalogueEntry, worst: WorstCase
    ) -> Admitted | Denied:
        return Admitted(call_id)

    async def settle(self, ticket: Admitted, settlement: Settlement) -> None: ...


class NoIncidents:
    async def begin(self, key: str, now: datetime) -> datetime | None:
        return None

    async def end(self, key: str) -> None: ...


class RoughTokens:
    async def prepare(self, entry: CatalogueEntry) -> None: ...

    def count(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]]) -> int:
        return sum(len(message["content"]) for message in messages) // 3


class ScriptedModel:
    """Wishes by chance: entries with stops, exits, nothing; now and then what is no answer. Asked twice, it wishes
    something else."""

    def __init__(self, random: Random, prices: Mapping[str, float]) -> None:
        self._random = random
        self._prices = prices

    async def call(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]], timeout_s: float) -> Reply:
        took = self._random.uniform(0.1, 2.5)
        await asyncio.sleep(took)
        if self._random.random() < 0.04:
            return Reply(model=entry.id, outcome=Outcome.UNAVAILABLE, error="503", latency_ms=took * 1000)
        text = json.dumps(self._answer()) if self._random.random() > 0.04 else "I would rather not say."
        used = TokenUsage(prompt=1000, completion=100)
        return Reply(model=entry.id, outcome=Outcome.ANSWERED, text=text, usage=used, latency_ms=took * 1000)

    def _answer(self) -> dict[str, Any]:
        rows = [self._row(symbol, price) for symbol, price in sorted(self._prices.items())]
        return {
            "decisions": rows,
            "portfolio_rationale": "by chance",
            "total_allocation_usd": sum(row.get("allocation_usd", 0.0) for row in rows),
            "portfolio_risk_level": "medium",
        }

    def _row(self, symbol: str, price: float) -> dict[str, Any]:
        action = self._random.choice(("buy", "buy", "sell", "sell", "close_position", "hold"))
        row = {"asset": symbol, "action": action, "exit_plan": "at the stop", "rationale": "x", "risk_level": "medium"}
        if action not in ("buy", "sell"):
            return row
        side = 1 if action == "buy" else -1
        away = self._random.uniform(0.002, 0.006)
        wished: dict[str, Any] = {
            "allocation_usd": float(self._random.randrange(100, 400)),
            "leverage": 3,
            "confidence": 60,
            "sl_price": round(price * (1 - side * away), 1),
            "tp_price": round(price * (1 + side * (away * 3 + 0.006)), 1),
        }
        if self._random.random() < 0.3:
            wished["limit_price"] = round(price * (1 - side * 0.0008), 1)
        return row | wished
