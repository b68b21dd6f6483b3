"""One call of a model, paid once: kept answer → claim → gate → call → keep → settle."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.runtime.failpoints import hit
from libs.schemas.account import Account
from services.decider.domain.catalogue import CatalogueEntry, repair_room, worst_case
from services.decider.domain.costs import cost_of
from services.decider.domain.gate import KEPT, Admitted, Denial, Denied
from services.decider.domain.policy import Call
from services.decider.domain.prompt import Prompt
from services.decider.domain.reading import repair_turn, without_reasoning
from services.decider.domain.record import Exchange
from services.decider.domain.replies import Reply
from services.decider.domain.settlement import Settlement
from services.decider.ports import Deps, StoreAway

log = logging.getLogger(__name__)
Messages = tuple[Mapping[str, str], ...]
JOIN_POLL_S = 0.1  # between looks at a call that another worker makes


@dataclass(slots=True)
class ModelTurn:
    """What a model is asked, and what came of it."""

    entry: CatalogueEntry
    prompt: Prompt
    messages: Messages
    made: Exchange | None = None

    def after(self, step: Call) -> "ModelTurn":
        """What the same model is asked by the next step."""
        if self.made is None:  # the gate made it wait: the same again
            return self
        if step.kind == "longer":
            return ModelTurn(self.entry.longer(), self.prompt, self.messages)
        if step.kind == "without":
            return self._without(self.made.reading.without)
        if step.kind == "repair":
            room = repair_room(self.entry, self.prompt.tokens)
            messages = repair_turn(self.prompt, self.made.reply, self.made.reading.errors, room)
            return ModelTurn(self.entry, self.prompt, messages)
        return ModelTurn(self.entry, self.prompt, self.messages)

    def _without(self, part: str | None) -> "ModelTurn":
        """The same again without what the server refuses. The schema stands in the prompt in any case."""
        if part == "response_format":
            return ModelTurn(self.entry.unstructured(), self.prompt, self.messages)
        return ModelTurn(self.entry, self.prompt, without_reasoning(self.messages))


@dataclass(slots=True)
class Asking:
    """The calls of one decision. `kept` are replies of an earlier delivery or of another worker.

    Seconds: `away_s` was spent on models and on waiting, `shift_s` is what kept replies took, less what was spent on
    waiting for another worker to get them.
    """

    deps: Deps
    decision: str
    account: Account | None
    kept: list[Reply] = field(default_factory=list)
    away_s: float = 0.0
    shift_s: float = 0.0

    async def load(self) -> list[Reply]:
        try:
            self.kept = await self.deps.answers.kept(self.decision) or self.kept
        except StoreAway:
            log.debug("the kept answers of %s cannot be read", self.decision)
        return self.kept

    async def reply(self, turn: ModelTurn, step: Call, attempt: int) -> Reply | Denied:
        """The reply of call `attempt`: one that is paid for already, or a new one, kept at once.

        A rule's is not kept: it costs nothing and comes out alike each time.
        """
        if attempt <= len(self.kept):
            return await self._again(turn, attempt)
        if step.wait_s:
            await self.wait(step.wait_s)
        if turn.entry.is_rule:
            reply = await self._call(turn, step)
            hit("decider.after_answer")
            return reply
        return await self._claimed(turn, step, attempt)

    async def _claimed(self, turn: ModelTurn, step: Call, attempt: int) -> Reply | Denied:
        """Only one worker at a time makes a call; the others wait for what comes of it."""
        until = self.deps.clock.monotonic() + 2 * self.deps.limits.deadline_s
        while self.deps.clock.monotonic() < until:
            async with self.deps.answers.claim(self._id(attempt)) as ours:
                if len(await self.load()) >= attempt:
                    break
                if ours:
                    return await self._paid(turn, step, attempt)
            await self.wait(JOIN_POLL_S)
            self.shift_s -= JOIN_POLL_S
        if attempt <= len(self.kept):
            return await self._again(turn, attempt)
        return Denied(Denial.BREAKER_OPEN, f"{turn.entry.id}: another worker keeps making this call; see its log")

    async def _again(self, turn: ModelTurn, attempt: int) -> Reply | Denied:
        """The kept reply, and what it came to, in case that its worker died before it said so. A reply of another
        model means that the gate had denied this one."""
        reply = self.kept[attempt - 1]
        if reply.model != turn.entry.id:
            return Denied(Denial.BREAKER_OPEN, f"{turn.entry.id}: passed over by an earlier delivery of this context")
        self.shift_s += reply.latency_ms / 1000
        await self._settle(KEPT, turn.entry, attempt, reply)
        return reply

    async def _paid(self, turn: ModelTurn, step: Call, attempt: int) -> Reply | Denied:
        ticket = await self._admit(turn, attempt)
        if isinstance(ticket, Denied):
            return ticket
        self.away_s += ticket.waited_s
        hit("decider.before_call")
        reply = await self._keep(attempt, await self._call(turn, step))
        hit("decider.after_answer")
        await self._settle(ticket, turn.entry, attempt, reply)
        return reply

    async def _call(self, turn: ModelTurn, step: Call) -> Reply:
        begun = self.deps.clock.monotonic()
        reply = await self.deps.models.call(turn.entry, turn.messages, step.timeout_s)
        self.away_s += self.deps.clock.monotonic() - begun
        return reply

    async def wait(self, seconds: float) -> None:
        begun = self.deps.clock.monotonic()
        await self.deps.sleep(seconds)
        self.away_s += self.deps.clock.monotonic() - begun

    async def _keep(self, attempt: int, reply: Reply) -> Reply:
        try:
            return await self.deps.answers.keep(self.decision, attempt, reply)
        except StoreAway:
            log.debug("the answer of %s is not kept", self.decision)
            return reply

    async def _admit(self, turn: ModelTurn, attempt: int) -> Admitted | Denied:
        worst = worst_case(turn.entry, turn.messages)
        return await self.deps.gate.admit(self._id(attempt), self.account, turn.entry, worst)

    async def _settle(self, ticket: Admitted, entry: CatalogueEntry, attempt: int, reply: Reply) -> None:
        dollars, _ = cost_of(entry, reply)
        tokens = reply.usage.prompt + reply.usage.completion if reply.usage else None
        if reply.is_free:
            tokens = 0
        settlement = Settlement(self._id(attempt), self.account, entry, dollars, tokens, reply.outcome)
        await self.deps.gate.settle(ticket, settlement)

    def _id(self, attempt: int) -> str:
        return f"{self.decision}:{attempt}"
