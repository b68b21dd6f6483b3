"""A context becomes a proposal or an abstention: render → call → parse → repair once → next model → abstain."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from faststream.nats import NatsRouter

from libs.runtime.delivery import consume
from libs.runtime.emit import Emit
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed, ModelCall, Timing
from libs.schemas.reasons import AbstainReason
from services.decider.domain import policy
from services.decider.domain.catalogue import CatalogueEntry, UnknownModel
from services.decider.domain.parse import Parsed
from services.decider.domain.policy import Abstain, Call, Candidate, Done
from services.decider.domain.prompt import Prompt, build, template_variables
from services.decider.domain.proposal import decision_id, model_of, propose
from services.decider.domain.reading import read, repair_turn
from services.decider.domain.record import as_call
from services.decider.domain.replies import Reply
from services.decider.ports import Deps, StoreAway, TemplateFailed

log = logging.getLogger(__name__)
Messages = tuple[Mapping[str, str], ...]


def routes(deps: Deps) -> NatsRouter:
    router = NatsRouter()

    async def on_context(context: TradingContext) -> Emit:
        proposal = await decide(deps, context)
        deps.observe(proposal)
        if proposal.abstain_reason:
            log.warning("%s abstained: %s", proposal.decision_id, proposal.abstain_detail)
        hit("decider.before_emit")
        return Emit(subjects.decision_proposed(context.account_id), proposal)

    consume(router, subjects.DECIDER_CONTEXTS, on_context, concurrency=deps.concurrency)
    return router


async def decide(deps: Deps, context: TradingContext) -> DecisionProposed:
    """The decision of a context. Its calls and their raw answers are in it, whatever came of them."""
    session = _Session(deps, context, deps.clock.monotonic())
    end = await session.run()
    own = deps.clock.monotonic() - session.began - session.away_s
    model = sum(call.latency_ms for call in session.calls) if session.calls else None
    timing = Timing(context=context.build_ms, model=model, engine=max(0.0, own * 1000))
    return propose(context, end, session.calls, timing, deps.clock.now())


@dataclass(slots=True)
class _Session:
    """One decision on its way. `kept` are replies of an earlier delivery, `away_s` what was spent on the models."""

    deps: Deps
    context: TradingContext
    began: float
    kept: list[Reply] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    away_s: float = 0.0

    @property
    def id(self) -> str:
        return decision_id(self.context)

    def elapsed(self) -> float:
        """Seconds since the decision began, those of an earlier delivery included."""
        return self.deps.clock.monotonic() - self.began + sum(reply.latency_ms for reply in self.kept) / 1000

    async def run(self) -> Parsed | Abstain:
        stored = await self._stored()
        self.kept = stored or []
        if not self.kept and self.deps.clock.now() > self.context.expires_at:
            return Abstain(AbstainReason.EXPIRED, f"the context expired at {self.context.expires_at:%H:%M:%S} UTC")
        entry = self._entry()
        if isinstance(entry, UnknownModel):
            return Abstain(AbstainReason.UNKNOWN_MODEL, str(entry))
        if stored is None and not entry.is_free:
            text = f"Redis is away and {entry.id} may cost money: no call without its book; start Redis (REDIS_URL)"
            return Abstain(AbstainReason.BUDGET_UNAVAILABLE, text)
        try:
            prompt = self._prompt(entry)
        except TemplateFailed as error:
            return Abstain(AbstainReason.INVALID, str(error))
        return await self._converse(entry, prompt)

    async def _stored(self) -> list[Reply] | None:
        try:
            return await self.deps.answers.kept(self.id)
        except StoreAway:
            return None

    def _entry(self) -> CatalogueEntry | UnknownModel:
        """What an earlier delivery has begun with stays, whatever is configured since."""
        if self.kept:
            return self.deps.catalogue.find(self.kept[0].model)
        account = self.deps.accounts.account(self.context.account_id)
        return self.deps.catalogue.find(model_of(self.context, account, self.deps.default_model))

    def _prompt(self, entry: CatalogueEntry) -> Prompt:
        template = self.context.account_state.active_strategy.prompt_template
        text = self.deps.templates.render(template, template_variables(self.context))
        return build(self.context, text, with_schema=entry.structured != "json_schema")

    async def _converse(self, entry: CatalogueEntry, prompt: Prompt) -> Parsed | Abstain:
        """Drive the policy to its end. The chain is one model until chains can be configured."""
        state, step = policy.begin((Candidate(entry.id, entry.timeout_s),), self.deps.limits)
        messages = prompt.messages
        while isinstance(step, Call):
            reply = await self._reply(entry, messages, step)
            reading = read(reply, self.context.symbols)
            self.calls.append(as_call(entry, prompt, messages, reply, reading, len(self.calls) + 1))
            spread = policy.jitter(self.id, len(self.calls))
            state, step = policy.advance(state, reading, self.elapsed(), spread)
            if isinstance(step, Call) and step.kind == "repair":
                messages = repair_turn(prompt, reply, reading.errors)
        return step.parsed if isinstance(step, Done) else step

    async def _reply(self, entry: CatalogueEntry, messages: Messages, step: Call) -> Reply:
        """The reply of this call: the one that an earlier delivery has paid for, or a new one, kept at once.

        A rule's is not: it costs nothing and comes out alike each time.
        """
        attempt = len(self.calls) + 1
        if attempt <= len(self.kept):
            return self.kept[attempt - 1]
        begun = self.deps.clock.monotonic()
        if step.wait_s:
            await self.deps.sleep(step.wait_s)
        reply = await self.deps.models.call(entry, messages, step.timeout_s)
        self.away_s += self.deps.clock.monotonic() - begun
        if not entry.is_rule:
            reply = await self._keep(attempt, reply)
        hit("decider.after_answer")
        return reply

    async def _keep(self, attempt: int, reply: Reply) -> Reply:
        try:
            return await self.deps.answers.keep(self.id, attempt, reply)
        except StoreAway:
            log.debug("the answer of %s is not kept", self.id)
            return reply
