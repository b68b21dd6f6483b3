"""One decision on its way: route → render → call → parse → (repair once) → next model → abstain."""

import asyncio
from dataclasses import dataclass, field, replace

from libs.schemas.context import TradingContext
from libs.schemas.decision import ModelCall, Timing
from libs.schemas.reasons import AbstainReason
from services.decider.application.asking import Asking, ModelTurn
from services.decider.application.prompting import Writer
from services.decider.domain import policy, routing
from services.decider.domain.catalogue import CatalogueEntry, UnknownModel
from services.decider.domain.gate import Denied
from services.decider.domain.parse import Parsed
from services.decider.domain.policy import Abstain, Call, Candidate, Done, PolicyState, Step
from services.decider.domain.proposal import Course
from services.decider.domain.reading import Reading, read
from services.decider.domain.record import Exchange, as_call
from services.decider.domain.replies import Reply
from services.decider.domain.seats import Seat
from services.decider.ports import Deps, TemplateFailed

LONG_TEXT = 8_000  # signs of an answer; ten entries have less


@dataclass(slots=True)
class Session:
    """Drives the policy through one context. `exchanges` and `calls` are what was asked and answered so far."""

    deps: Deps
    context: TradingContext
    seat: Seat
    asking: Asking
    began: float
    first: bool = False  # delivered for the first time: no earlier delivery has left anything
    exchanges: list[Exchange] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, deps: Deps, context: TradingContext, seat: Seat, *, first: bool = False) -> "Session":
        account = deps.accounts.account(context.account_id)
        asking = Asking(deps, seat.decision_id, account)
        return cls(deps, seat.shown(context), seat, asking, deps.clock.monotonic(), first)

    def elapsed(self) -> float:
        """Seconds since the decision began, those of an earlier delivery included."""
        return self.deps.clock.monotonic() - self.began + self.asking.shift_s

    async def run(self) -> Course:
        end = await self._decide()
        own = self.deps.clock.monotonic() - self.began - self.asking.away_s
        model = sum(call.latency_ms for call in self.calls) if self.calls else None
        timing = Timing(context=self.context.build_ms, model=model, engine=max(0.0, own * 1000))
        return Course(end, self.calls, self.not_asked, timing)

    async def _decide(self) -> Parsed | Abstain:
        if not await self._kept() and self.deps.clock.now() > self.context.expires_at:
            return Abstain(AbstainReason.EXPIRED, f"the context expired at {self.context.expires_at:%H:%M:%S} UTC")
        chain = routing.entries(self.deps.catalogue, self._models())
        if isinstance(chain, UnknownModel):
            return Abstain(AbstainReason.UNKNOWN_MODEL, str(chain))
        try:
            return await self._converse(tuple(self.seat.entry(entry) for entry in chain))
        except TemplateFailed as error:
            return Abstain(AbstainReason.INVALID, str(error))

    async def _kept(self) -> bool:
        """Whether there are answers of an earlier delivery. Rules leave none: a first one to them asks no store."""
        if self.first and self._asks_rules():
            return False
        return bool(await self.asking.load())

    def _asks_rules(self) -> bool:
        chain = routing.entries(self.deps.catalogue, self._models())
        return not isinstance(chain, UnknownModel) and all(entry.is_rule for entry in chain)

    def _models(self) -> tuple[str, ...]:
        switched, account = self.deps.accounts.models, self.asking.account
        wishes = routing.wishes(self.deps.default_model, switched, account, self.context)
        wishes = replace(wishes, arm=self.seat.model)
        return routing.resume(routing.route(wishes).models, [reply.model for reply in self.asking.kept])

    async def _converse(self, chain: tuple[CatalogueEntry, ...]) -> Parsed | Abstain:
        models = {entry.id: entry for entry in chain}
        candidates = tuple(Candidate(entry.id, entry.timeout_s) for entry in chain)
        state, step = policy.begin(candidates, self.deps.limits)
        turn = None
        while isinstance(step, Call):
            entry = models[step.model]
            again = turn is not None and turn.entry.id == entry.id
            written = turn.after(step) if turn is not None and again else await self._first(entry)
            if isinstance(written, Denied):
                state, step = self._passed_over(written, state, step)
                continue
            turn = written
            state, step = await self._take(turn, state, step)
        return step.parsed if isinstance(step, Done) else step

    async def _first(self, entry: CatalogueEntry) -> ModelTurn | Denied:
        await self.deps.tokens.prepare(entry)
        prompt = Writer(self.deps.templates, self.deps.tokens, self.deps.accounts).write(self.context, entry)
        if isinstance(prompt, Denied):
            return prompt
        prompt = self.seat.named(prompt)
        return ModelTurn(entry, prompt, prompt.messages)

    async def _take(self, turn: ModelTurn, state: PolicyState, step: Call) -> tuple[PolicyState, Step]:
        attempt = len(self.calls) + 1
        found = await self.asking.reply(turn, step, attempt)
        if isinstance(found, Denied):
            return self._passed_over(found, state, step)
        reading = await self._read(found, turn)
        cached = attempt <= len(self.asking.kept)
        turn.made = Exchange(turn.entry, turn.prompt, turn.messages, found, reading, cached)
        self.exchanges.append(turn.made)
        self.calls.append(as_call(turn.made, attempt))
        return policy.advance(state, reading, self.elapsed(), policy.jitter(self.asking.decision, attempt))

    async def _read(self, reply: Reply, turn: ModelTurn) -> Reading:
        """Beside the event loop where the text is long: it is foreign, and others wait."""
        counted = None if turn.entry.is_rule else turn.prompt.tokens
        if len(reply.text or "") <= LONG_TEXT:
            return read(reply, self.context.symbols, counted)
        return await asyncio.to_thread(read, reply, self.context.symbols, counted)

    def _passed_over(self, why: Denied, state: PolicyState, step: Call) -> tuple[PolicyState, Step]:
        state, then = policy.denied(state, why, self.elapsed())
        if not (isinstance(then, Call) and then.model == step.model):
            self.not_asked.append(why.detail)
        return state, then
