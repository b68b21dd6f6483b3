"""What a verdict becomes: judged again on the account itself, planned, stored, and only then submitted."""

import asyncio
from collections.abc import Sequence

from libs.risk.accounts import account_view
from libs.risk.judge import judge
from libs.risk.values import Limits
from libs.runtime.errors import Poison
from libs.runtime.failpoints import hit
from libs.schemas.account import Account, ControlRequested
from libs.schemas.acts import Act
from libs.schemas.orders import OrderPlan
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.strategy import TradingStrategy
from libs.schemas.verdict import AssetVerdict, DecisionValidated
from services.executor.domain.acted import concluding, known, order_changes, refusing
from services.executor.domain.acting import act_plan, refused
from services.executor.domain.book import AccountBook, marked, traced
from services.executor.domain.changes import OrderChange, Outgoing, Turn
from services.executor.domain.final import final_verdicts, own_facts
from services.executor.domain.plan import cancels, cancels_because, denials, orders, plan, reserving
from services.executor.domain.quote import Market
from services.executor.domain.state import account_state
from services.executor.ports import BookDeps, LockedAccount, Orders
from services.executor.ports.venues import Stored

TICKS_WAIT_S = 2.0
TICKS_POLL_S, TICKS_SELDOM_S = 0.005, 0.02


class PlanExecution:
    """Of one account; the caller has its lock. Every step can be repeated."""

    def __init__(self, deps: BookDeps, seat: LockedAccount, venue: Orders) -> None:
        self._deps = deps
        self._seat = seat
        self._venue = venue

    async def run(self, body: DecisionValidated, *, redelivered: bool, trace: str | None = None) -> None:
        """A plan that exists is resumed and never made again; a decision that was carried out is only closed."""
        stored = (
            await self._deps.plans.find(body.account_id, body.decision_id) if self._known(body, redelivered) else None
        )
        if stored is None and body.decision_id not in self._seat.book.executed:
            await self._abreast(body)
            await self._store(body, trace)
            return
        if stored is not None:
            await self.finish(stored)

    async def act(self, body: ControlRequested, act: Act) -> None:
        """Do what a person asks for, or keep why not; what was done or refused before is not looked at again."""
        stored = await self._deps.plans.find(self._seat.book.account_id, body.control_id)
        if stored is not None:
            await self.finish(stored)
        elif body.control_id not in self._seat.book.executed and not known(self._seat.book, body.control_id):
            await self._begin_act(body, act)

    async def finish(self, stored: Stored[OrderPlan]) -> None:
        """Cancel, submit, close. What was done before is not done again: orders are sent after the last cancel."""
        if stored.value.state == "done":
            return
        seen: list[OrderChange] = []
        leave = self._seat.listen(lambda turn: seen.extend(order_changes(turn)))
        try:
            await self._carry_out(stored)
        finally:
            leave()
        told = concluding(self._seat.book, stored.value, seen, self._deps.clock.now())
        if told.changes:
            await self._seat.save(told)
            hit("executor.after_act")
        self._seat.carried_out(stored)

    async def _carry_out(self, stored: Stored[OrderPlan]) -> None:
        begun = stored.value.intents and stored.value.plan_id in self._seat.book.executed
        for gone in () if begun else cancels(stored.value, self._seat.book):
            symbol = self._seat.book.orders[gone].intent.symbol
            await self._venue.cancel(symbol, gone, cancels_because(stored.value))
            hit("executor.after_cancel")
        orders = self._deps.plans.orders(stored)
        if orders:
            await self._venue.submit_all(orders)
        hit("executor.after_submit")

    async def _begin_act(self, body: ControlRequested, act: Act) -> None:
        before, market = self._seat.book, self._seat.market()
        why = refused(act, before, market)
        if why is not None:
            await self._seat.save(refusing(before, body, act, why, market.now))
            return
        made = act_plan(body, act, before, market)
        await self._begin(made, Turn(before), cancels(made, before))

    def _known(self, body: DecisionValidated, redelivered: bool) -> bool:
        """Whether there may be a plan of it: it came before, it is old, or a plan was begun and not carried out; or it
        was stored by a write whose answer was lost, and is in the hands of this very delivery again."""
        book = self._seat.book
        begun = bool(book.reservations) or body.decision_id in book.executed
        return redelivered or begun or body.expires_at <= self._deps.clock.now()

    async def _abreast(self, body: DecisionValidated) -> None:
        """Wait a little while the validator had newer ticks than this worker has read: they are the prices of now."""
        until, pause = self._deps.clock.monotonic() + TICKS_WAIT_S, TICKS_POLL_S
        while self._deps.clock.monotonic() < until:
            quotes = self._seat.market().quotes
            if not body.facts.newer_than({symbol: quote.at for symbol, quote in quotes.items()}):
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, TICKS_SELDOM_S)

    async def _store(self, body: DecisionValidated, trace: str | None) -> None:
        """Store the plan of a decision that asks for something, and carry it out: in one write where the venue is the
        account's own document, else step by step."""
        market = self._seat.market()
        finals = self._judged(body, market)
        made = plan(body, finals, self._seat.book, market.now, self._strategy(body))
        before = self._seat.book
        held = reserving(before, made) if made.intents else marked(before, [body.decision_id])
        turn, gone = (
            Turn(traced(held, body.correlation_id, trace), denials(body, finals, market.now)),
            cancels(made, before),
        )
        if made.intents or turn.changes or gone:
            await self._begin(made, turn, gone)

    async def _begin(self, made: OrderPlan, turn: Turn, gone: Sequence[str]) -> None:
        """Store a plan with the turn that it begins with, and carry it out."""
        whole = self._venue.at_once(turn, gone, orders(made), cancels_because(made))
        if whole is not None:
            whole = whole.join(concluding(whole.book, made, order_changes(whole), self._deps.clock.now()))
        before, stored = self._seat.book, list[Stored[OrderPlan]]()

        async def write(after: AccountBook, outbox: Sequence[Outgoing]) -> None:
            stored.append(await self._deps.plans.store(made, before, after, self._seat.fence, outbox))

        hit("executor.before_store")
        await self._seat.save(whole or turn, write)
        hit("executor.after_store")
        if whole is None:
            await self.finish(stored[0])
            return
        if gone:
            hit("executor.after_cancel")
        hit("executor.after_submit")
        self._seat.carried_out(stored[0])

    def _judged(self, body: DecisionValidated, market: Market) -> tuple[AssetVerdict, ...]:
        config = self._config(body)
        strategy = self._strategy(body)
        marks = {s: q.mark for s, q in market.quotes.items()}
        view = account_view(account_state(self._seat.book, None), config, marks)
        limits = Limits(strategy, config, {s: r.filters for s, r in market.rules.items()})
        facts = own_facts(body.facts, market)
        judged = judge(
            body.decision, facts, view, limits, market.now, expires_at=body.expires_at, proposed=body.proposed
        )
        return final_verdicts(body.verdicts, judged.to_wire(), expired=market.now > body.expires_at)

    def _strategy(self, body: DecisionValidated) -> TradingStrategy:
        """The version that the decision was made under; the active one where that version is gone."""
        found = self._deps.config.strategy(body.strategy.id, body.strategy.version)
        found = found or self._deps.config.strategy(body.strategy.id)
        if found is None:
            message = f"there is no strategy {body.strategy.id}: restore it in KV config, then replay this message"
            raise Poison(DeadLetterCode.INVALID, message, "strategy.id")
        return found

    def _config(self, body: DecisionValidated) -> Account:
        config = self._deps.config.account(body.account_id)
        if config is None or config.mode != self._seat.book.mode:
            mode = self._seat.book.mode
            message = f"account {body.account_id} is no {mode} account in KV config; its books are: put that back first"
            raise Poison(DeadLetterCode.INVALID, message)
        return config
