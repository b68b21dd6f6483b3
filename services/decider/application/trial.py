"""Whether a model can decide, before it is given the say: its key is taken, and it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.decider.domain.authentication import WRONG, Check
from services.decider.domain.catalogue import LIMITS, CatalogueEntry
from services.decider.domain.replies import Outcome, Reply
from services.decider.ports import KeyProof, Models

QUESTION = ({"role": "user", "content": 'Answer with the JSON object {"ready": true} and nothing else.'},)
ANSWER_TOKENS = 64  # a fraction of a cent at the dearest model's price
TIMEOUT_S = 30.0
_ANSWERS = frozenset({Outcome.ANSWERED, Outcome.TRUNCATED, Outcome.EMPTY})  # a reasoning model may spend all on thought


@dataclass(frozen=True, slots=True)
class Trial:
    """`reply` is None where nothing was called: the key was refused, it is a rule, or no call was wished for."""

    entry: CatalogueEntry
    check: Check
    reply: Reply | None

    @property
    def refusal(self) -> str | None:
        """Why the model cannot decide, in one line."""
        if self.check.verdict in WRONG:
            return self.check.line()
        if self.reply is None or self.reply.outcome in _ANSWERS:
            return None
        return f"{self.entry.id} does not answer: {self.reply.error or self.reply.outcome}"


async def trial(
    models: Models, keys: KeyProof, chain: Sequence[CatalogueEntry], now: datetime, *, calls: bool = True
) -> list[Trial]:
    """One check a provider and, with `calls`, one small call a model, in the order of the chain."""
    checks: dict[str, Check] = {}
    found: list[Trial] = []
    for entry in chain:
        if entry.provider not in checks:
            named = [each.id for each in chain if each.provider == entry.provider]
            checks[entry.provider] = await keys.validate_authentication(entry.provider, named, now)
        check = checks[entry.provider]
        callable_ = calls and not entry.is_rule and check.verdict not in WRONG
        reply = await models.call(_small(entry), QUESTION, TIMEOUT_S) if callable_ else None
        found.append(Trial(entry, check, reply))
    return found


def _small(entry: CatalogueEntry) -> CatalogueEntry:
    """The same model without a schema, and with a short answer."""
    name = next((name for name in LIMITS if name in entry.params), LIMITS[0])
    return entry.model_copy(update={"params": {**entry.params, name: ANSWER_TOKENS}, "capabilities": frozenset()})
