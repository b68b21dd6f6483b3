"""Seals of the history: what was decided and ordered, sealed account by account over what was sealed before.

Any ledger may seal: an account's next number can be stored once, whoever is slower looks again at its next turn. What
comes late, or between two turns, is in the next seal.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from libs.invariants.seals import Seal, SealedMessage, SealHead, next_seal
from libs.runtime.clock import Clock
from libs.runtime.emit import Emit
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.audit import AuditEvent
from libs.schemas.names import key_of
from services.ledger.ports import SealStore, SealTail

RETRY_S = 1.0
WHO, WHAT = "ledger", "sealed"
log = logging.getLogger(__name__)


class Sealer:
    """`away` are the errors that mean: the store or the bus does not answer now."""

    def __init__(
        self,
        store: SealStore,
        tail: SealTail,
        tell: Callable[[Emit], Awaitable[object]],
        clock: Clock,
        away: tuple[type[Exception], ...] = (),
    ) -> None:
        self._store, self._tail, self._tell, self._clock, self._away = store, tail, tell, clock, away

    async def run(self, every_s: float) -> None:
        begun = False
        while True:
            try:
                if not begun:
                    await self._tail.begin(await self._store.swept())
                    begun = True
                await self.once()
            except self._away as error:
                log.warning("nothing is sealed while a store is away: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            await asyncio.sleep(every_s)

    async def once(self) -> int:
        """How many seals were made."""
        untold = await self._store.untold()
        for seal in untold:
            await self._announce(seal)
        await self._store.told(untold)
        through, waiting = self._tail.through(), self._tail.messages()
        heads = await self._store.heads(sorted({one.account_id for one in waiting}))
        made, beaten = list[Seal](), False
        for account_id, messages in _by_account(waiting).items():
            head, at = heads.get(account_id, SealHead()), self._clock.wall().isoformat()
            while following := next_seal(account_id, head, messages, through, at):
                if not await self._store.append(following):
                    beaten = True
                    break
                hit("ledger.after_seal")
                await self._announce(following)
                made.append(following)
                head = following.head
        await self._store.told(made)
        if not beaten:
            await self._store.sweep(through)
            self._tail.forget(through)
        return len(made)

    async def _announce(self, seal: Seal) -> None:
        """Its digest goes to AUDIT, where whoever alters the seals would have to alter it too."""
        event = AuditEvent(
            event_id=f"seal:{seal.account_id}:{seal.number}",
            who=WHO,
            what=WHAT,
            subject=seal.account_id,
            before=seal.before,
            after=seal.digest,
            why=f"seal {seal.number} over {len(seal.messages)} messages",
            at=self._clock.now(),
        )
        await self._tell(Emit(subjects.account_changed(key_of(seal.account_id)), event))


def _by_account(messages: Sequence[SealedMessage]) -> Mapping[str, list[SealedMessage]]:
    found: dict[str, list[SealedMessage]] = defaultdict(list)
    for message in messages:
        found[message.account_id].append(message)
    return found
