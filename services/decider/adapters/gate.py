"""The gate before each call, shared by all workers through Redis; without Redis, that of this process alone."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from libs.runtime.clock import Clock
from libs.schemas.account import Account
from libs.schemas.analytics import Alert
from services.decider.adapters.rebuild import Rebuild
from services.decider.adapters.scripts import Scripts
from services.decider.domain import answers, budget, questions
from services.decider.domain.budget import Amount
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.gate import Admitted, Denial, Denied, WorstCase
from services.decider.domain.gate_rules import GateRules
from services.decider.domain.health import Breaker
from services.decider.domain.local_gate import SHARE, Closed, LocalGate
from services.decider.domain.questions import OpenReservation, Question
from services.decider.domain.settlement import Settlement
from services.decider.ports import StoreAway

LOCAL = "local"
CROWD_S = 0.05
REBUILD_WAIT_S = 3.0
WATCH_S = 1.0
UNSETTLED = 10_000  # beyond that reservations stand as they are: the safe side
MOST_CALLED = 32  # models whose breakers are looked at
STATES: tuple[Breaker, ...] = ("open", "half_open", "closed")
NO_BOOK = "Redis is away and {model} may cost money: no call without its book; start Redis (REDIS_URL)"
log = logging.getLogger(__name__)


class RedisGate:
    """`alert` is told of budgets that run out, `count` of each denial. Both must not block."""

    def __init__(
        self,
        scripts: Scripts,
        rules: GateRules,
        clock: Clock,
        rebuild: Rebuild,
        alert: Callable[[Alert], None] = lambda alert: None,
        count: Callable[[Denial], None] = lambda why: None,
    ) -> None:
        self._scripts, self._rules, self._clock, self._rebuild = scripts, rules, clock, rebuild
        self._alert, self._count = alert, count
        self._local = LocalGate(rules.breaker)
        self._name = f"{rebuild.holder}:{'s' if rules.yields else ''}{self._now_us()}"
        self._asked = 0
        self.breakers: Mapping[str, Breaker] = {}
        self._called: dict[str, CatalogueEntry] = {}
        self.spent: Mapping[str, int] = {}
        self._held: dict[str, OpenReservation] = {}
        self._unsettled: dict[str, tuple[OpenReservation | None, Question]] = {}

    async def admit(
        self, call_id: str, account: Account | None, entry: CatalogueEntry, worst: WorstCase
    ) -> Admitted | Denied:
        """Reserve the worst case of a call, or say why it is not made. A rule passes: it asks nobody anything."""
        if entry.is_rule:
            return Admitted(LOCAL)
        self._asked += 1
        self._remember(entry)
        scopes = () if entry.is_free else budget.scopes(account, self._rules.budgets)
        amount = budget.reserved(worst, self._rules.unpriced_usd)
        held = OpenReservation(f"{self._name}:{self._asked}", call_id, amount, scopes)
        begun = self._clock.monotonic()
        try:
            answer, tries = await self._ask(questions.admit(held, account, entry, self._rules))
        except StoreAway:
            return self._counted(self._alone(held, account, entry))
        self._warn(answer)
        if "denied" in answer:
            return self._counted(answers.denial_of(answer, amount))
        self._held[held.nonce] = held
        waited = self._clock.monotonic() - begun if tries > 1 else 0.0
        return Admitted(f"{answer['epoch']}|{held.nonce}", answer["probe"], waited)

    async def settle(self, ticket: Admitted, settlement: Settlement) -> None:
        """Tell what the call came to. While Redis is away that is remembered here, and told later."""
        epoch, _, nonce = ticket.ticket.rpartition("|")
        if settlement.entry.is_rule:
            return
        if epoch == LOCAL:
            self._local.leave(
                nonce, questions.guards(settlement.entry, self._rules), settlement.outcome, self._now_us()
            )
            return
        if not nonce:
            await self._tell_kept(settlement)
            return
        held = self._held.pop(nonce, None)
        if held is None:  # told already
            return
        entry, outcome = settlement.entry, settlement.outcome
        amount = budget.final(held.amount, entry, settlement.cost_usd, settlement.tokens, outcome)
        await self._tell(held, questions.settle(held, epoch, entry, self._rules, amount, outcome))

    async def _tell_kept(self, settlement: Settlement) -> None:
        """An answer that an earlier delivery has paid for: its reservation, if it is still open, becomes its cost."""
        cost_usd, tokens = settlement.cost_usd, settlement.tokens
        if not settlement.entry.is_free and cost_usd is not None and tokens is not None:
            amount = Amount(budget.nano(cost_usd), tokens)
            scopes = budget.scopes(settlement.account, self._rules.budgets)
            await self._tell(None, questions.settle_kept(settlement.call_id, amount, scopes, self._rules))

    async def watch(self, entries: Sequence[CatalogueEntry] = (), label: Callable[[str], str] = str) -> None:
        """Look after Redis each second, for ever: is it there, are the counters, is something left to be told, and how
        do the breakers stand of `entries` and of what was called? Models of one `label` stand as the worst of them."""
        while True:
            try:
                await self._look()
                self.breakers = await self._worst({one.id: one for one in entries} | self._called, label)
                self.spent = await self.used(None)
            except StoreAway:
                log.debug("Redis is away")
            await asyncio.sleep(WATCH_S)

    async def _worst(self, entries: Mapping[str, CatalogueEntry], label: Callable[[str], str]) -> Mapping[str, Breaker]:
        worst: dict[str, Breaker] = {}
        for model, state in (await self.states(tuple(entries.values()))).items():
            worst[label(model)] = min(worst.get(label(model), state), state, key=STATES.index)
        return worst

    def _remember(self, entry: CatalogueEntry) -> None:
        """Trap: a model of one's own server has a breaker under its own name, which is in no catalogue."""
        self._called.pop(entry.id, None)
        self._called[entry.id] = entry
        if len(self._called) > MOST_CALLED:
            self._called.pop(next(iter(self._called)))

    async def states(self, entries: Sequence[CatalogueEntry]) -> Mapping[str, Breaker]:
        """How the breaker of each model stands: closed, open or half_open. Raises StoreAway."""
        asked = [guard.id for entry in entries for guard in questions.guards(entry, self._rules)]
        answer = await self._scripts.run("state", {"circuits": asked})
        found = iter([_state(circuit, int(answer["now_ms"])) for circuit in answer["circuits"]])
        return {entry.id: min((next(found), next(found)), key=STATES.index) for entry in entries}

    async def used(self, account_id: str | None) -> Mapping[str, int]:
        """The counters of an account, or of all together: nano-dollars and tokens. Raises StoreAway."""
        scope = budget.scope_of(account_id) if account_id else budget.GLOBAL
        (found,) = (await self._scripts.run("state", {"scopes": [scope]}))["used"]
        return {name: int(found[name]) for name in budget.UNITS}

    async def _look(self) -> None:
        if not (await self._scripts.run("state", {}))["epoch"]:
            await self._report_held()
            self._rebuild.begin(len(self._held))
        for key, (held, ask) in list(self._unsettled.items()):
            await self._settle(held, ask)
            self._unsettled.pop(key, None)

    async def _report_held(self) -> None:
        """The counters are lost: whoever makes them anew shall count what is under way here."""
        for nonce, held in list(self._held.items()):
            if nonce in self._held and held.scopes:
                await self._scripts.run("orphan", questions.orphan(held, held.amount, ended=False))

    async def _ask(self, ask: Question) -> tuple[dict[str, Any], int]:
        """The answer, and how often it was asked for: a wait helps where counters are lost or no life was seen yet."""
        begun, tries = self._clock.monotonic(), 0
        while True:
            tries += 1
            answer = await self._scripts.run("admit", ask)
            waited = self._clock.monotonic() - begun
            if answer.get("denied") == "crowded":
                ask["patient"] = waited < self._rules.patience_s
                await asyncio.sleep(CROWD_S)
            elif answer.get("denied") == "lost" and waited < REBUILD_WAIT_S:
                await self._report_held()
                self._rebuild.begin(len(self._held))
                await self._rebuild.wait(REBUILD_WAIT_S - waited)
            else:
                return answer, tries

    async def _tell(self, held: OpenReservation | None, ask: Question) -> None:
        try:
            await self._settle(held, ask)
        except StoreAway:
            if len(self._unsettled) < UNSETTLED:
                self._unsettled[ask["nonce"] or ask["call"]] = held, ask

    async def _settle(self, held: OpenReservation | None, ask: Question) -> None:
        answer = await self._scripts.run("settle", ask)
        if not answer["settled"] and held is not None:
            amount = Amount(ask["budget"]["usd"], ask["budget"]["tokens"])
            lost = await self._scripts.run("orphan", questions.orphan(held, amount, ended=True))
            if not lost["lost"]:  # they were made anew in this moment
                answer = await self._scripts.run("settle", ask)
        self._warn(answer)

    def _alone(self, held: OpenReservation, account: Account | None, entry: CatalogueEntry) -> Admitted | Denied:
        """What may be done without Redis. A reservation whose answer was lost is given back once Redis is there."""
        if not entry.is_free:
            self._unsettled[held.nonce] = held, questions.give_back(held, entry, self._rules)
            return Denied(Denial.BUDGET_UNAVAILABLE, NO_BOOK.format(model=entry.id))
        guards = questions.guards(entry, self._rules)
        buckets = questions.buckets(account, entry, self._rules, SHARE)
        passed = self._local.enter(held.nonce, guards, buckets, self._now_us())
        return answers.closed(passed) if isinstance(passed, Closed) else Admitted(f"{LOCAL}|{held.nonce}", passed)

    def _counted(self, found: Admitted | Denied) -> Admitted | Denied:
        if isinstance(found, Denied):
            self._count(found.why)
        return found

    def _warn(self, answer: Mapping[str, Any]) -> None:
        for warned in answer.get("warned", ()):
            self._alert(answers.alert_of(warned, self._clock.now()))

    def _now_us(self) -> int:
        return int(self._clock.wall().timestamp() * 1e6)


def _state(circuit: Mapping[str, Any], now_ms: int) -> Breaker:
    if not circuit["opened"]:
        return "closed"
    return "open" if now_ms < circuit["ends"] else "half_open"
