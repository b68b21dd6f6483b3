"""The accounts of the partitions that this process holds."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator, Mapping

from libs.runtime.errors import Conflict, Poison, Unavailable
from libs.runtime.failpoints import hit
from libs.schemas import ids, subjects
from libs.schemas.account import Account, ControlRequested
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.verdict import DecisionValidated
from services.executor.application import alerts
from services.executor.application.away import AWAY, LATER, LOST
from services.executor.application.board import Board
from services.executor.application.changes import Changes, ConfigChanged, ControlChanged
from services.executor.application.desk import Desk
from services.executor.application.lease_terms import LeaseTerms
from services.executor.application.live_desks import LiveDesks
from services.executor.application.opening import Opening
from services.executor.ports import Deps

RETIRE_S = 5.0
log = logging.getLogger(__name__)


class Desks:
    """Opened and closed by partition; verdicts, controls and timers find their account here."""

    def __init__(self, deps: Deps, board: Board, terms: LeaseTerms) -> None:
        self._deps = deps
        self._live = LiveDesks(deps, board, terms)
        self._opening = Opening(deps, board, self._live)
        self._desks: dict[str, Desk] = {}
        self._fences: dict[int, int] = {}
        self._creating: set[str] = set()
        self._unreadable: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._desks)

    def __iter__(self) -> Iterator[Desk]:
        return iter(tuple(self._desks.values()))

    def get(self, account_id: str) -> Desk | None:
        return self._desks.get(account_id)

    async def execute(self, body: DecisionValidated, *, redelivered: bool, trace: str | None = None) -> None:
        """Carry out a verdict. A dry run or a shadow arm never comes here; one that does is dropped."""
        if body.dry_run or body.arm.shadow:
            log.error("%s is a dry run or a shadow arm and is not executed", body.decision_id)
            return
        await self._desk(body.account_id).execute(body, redelivered=redelivered, trace=trace)
        hit("executor.before_ack")

    async def control(self, body: ControlRequested) -> None:
        """Carry out a control of one account. One of all accounts is put where every copy sees it."""
        if body.act is not None:
            await self._desk(body.scope).act(body, body.act)
        elif body.scope == subjects.ALL_ACCOUNTS:
            await self._deps.controls.put(body)
        else:
            await self._desk(body.scope).control(body)
        hit("executor.before_ack")

    def control_all(self) -> None:
        """KV `control.all` changed: every account that is open here carries it out, whatever others do."""
        for desk in self._desks.values():
            self._begin(self._control_later(desk), f"control-{desk.book.account_id}")

    async def open(self, partition: int, fence: int) -> None:
        """Take over a partition's accounts: fence them, see what happened meanwhile, finish what was begun."""
        created, _ = await self._deps.log.created()
        found = await self._deps.accounts.take(partition, fence)
        hit("executor.after_take")
        self._fences[partition] = fence
        await self._report(found.unreadable, fence)
        present = [self._opening.placed(a, created) for a in found.accounts if self._opening.wanted(a.book)]
        desks = [self._opening.paper(account, fence) for account in present]
        self._desks.update((desk.book.account_id, desk) for desk in desks)
        await self._recover([desk for desk in desks if desk.book.concerned])
        hit("executor.after_recover")
        for plan in await self._deps.plans.unfinished([desk.book.account_id for desk in desks]):
            await self._desks[plan.value.account_id].resume(plan)
        await asyncio.gather(*(self._controlled(desk) for desk in desks))
        for config in tuple(self._deps.config.accounts.values()):
            if ids.partition(config.account_id) != partition:
                continue
            if config.mode == "live":  # its venue may be slow, or away: the others go on
                self._begin(self._configure_later(config), f"live-{config.account_id}")
            else:
                await self.configure(config)

    async def close(self, partition: int, *, patience: float) -> None:
        """Let go of a partition's accounts."""
        fence = self._fences.pop(partition, None)
        self._unreadable = {a: why for a, why in self._unreadable.items() if ids.partition(a) != partition}
        mine = [desk for desk in self._desks.values() if ids.partition(desk.book.account_id) == partition]
        await asyncio.gather(*(desk.close(patience=patience) for desk in mine))
        if fence is not None and patience:
            await self._deps.accounts.checkpoint([d.position for d in mine if d.settled and d.book.concerned], fence)
        for desk in mine:
            self._desks.pop(desk.book.account_id, None)

    async def follow(self, changes: Changes) -> None:
        """Do what KV tells, as long as the process lives."""
        while True:
            match await changes.take():
                case ConfigChanged(key, config):
                    self.configured(key, config)
                case ControlChanged():
                    self.control_all()

    def configured(self, key: str, config: object) -> None:
        """A value in KV config changed."""
        if isinstance(config, Account):
            self._begin(self._configure_later(config), key)
            return
        desk = self._desks.get(key.removeprefix("account."))
        if config is None and desk is not None and desk.book.exposed:
            book = desk.book
            emit = alerts.orphaned(book.account_id, book.version, tuple(sorted(book.exposed)), self._deps.clock.now())
            self._begin(alerts.insist(self._deps.publisher, emit), key)

    async def configure(self, config: Account) -> None:
        """Open the account that the configuration names, if its partition is held here and every gate is passed."""
        fence = self._fences.get(ids.partition(config.account_id))
        if fence is None:
            return
        desk = self._desks.get(config.account_id)
        if (why := self._live.refusal(config, desk.book if desk else None)) is not None:
            await self._live.refuse(config, why)
            return
        if desk is not None and not await desk.adopt(config.margin_mode):
            log.error("%s keeps %s margin until it is flat", config.account_id, desk.book.margin_mode)
        if desk is not None or config.account_id in {*self._creating, *self._unreadable}:
            return
        self._creating.add(config.account_id)
        try:
            desk = await self._opening.desk(config, fence)
        finally:
            self._creating.discard(config.account_id)
        if desk is not None and self._fences.get(ids.partition(config.account_id)) != fence:
            await desk.close(patience=0)
        elif desk is not None:
            self._desks[config.account_id] = desk
            self._begin(self._control_later(desk), f"control-{config.account_id}")
            log.info("account %s is open", config.account_id)

    async def retire(self) -> None:
        """Let go of accounts that were deleted, once nothing of theirs is open."""
        for account_id, desk in tuple(self._desks.items()):
            gone = self._deps.config.account(account_id) is None and not desk.book.exposed
            if gone and ids.partition(account_id) in self._fences:
                del self._desks[account_id]
                await desk.close(patience=RETIRE_S)
                log.info("account %s was deleted and is closed", account_id)

    async def _report(self, unreadable: Mapping[str, str], fence: int) -> None:
        self._unreadable.update(unreadable)
        for account_id, why in unreadable.items():
            log.critical("account %s stays closed: its document cannot be read (%s)", account_id, why)
            await self._deps.publisher.publish(alerts.unreadable(account_id, why, fence, self._deps.clock.now()))

    async def _recover(self, desks: list[Desk]) -> None:
        """Show accounts with something open what the market did since they were last written."""
        if not desks:
            return
        for desk in desks:
            desk.recovering()
        async with self._deps.log.replay(min(desk.seat.seen for desk in desks)) as past:
            while (batch := await past.take()) is not None:
                for event, sequence in batch:
                    for desk in desks:
                        await desk.recover(event, sequence)
        for desk in desks:
            desk.recovered()

    def _desk(self, account_id: str) -> Desk:
        desk = self._desks.get(account_id)
        if desk is not None:
            return desk
        if account_id in self._unreadable:
            message = f"the document of {account_id} cannot be read: mend it, restart, then replay this message"
            raise Poison(DeadLetterCode.INVALID, message, "account_id")
        config = self._deps.config.account(account_id)
        if config is None:
            message = f"there is no account {account_id}: create it first (KV config, key account.{account_id})"
            raise Poison(DeadLetterCode.INVALID, message, "account_id")
        if config.mode == "live" and (why := self._live.missing(config)) is not None:
            raise Poison(DeadLetterCode.INVALID, f"account {account_id} is closed: {why}", "account_id")
        if config.mode == "live":
            raise Unavailable(f"account {account_id} is not reconciled with its venue yet")
        raise Conflict(f"account {account_id} is not open here yet, or not any more")

    async def _configure_later(self, config: Account) -> None:
        while True:
            try:
                await self.configure(config)
            except AWAY as error:
                log.warning("account %s waits: %r", config.account_id, error)
                await asyncio.sleep(1)
            except LOST as error:
                log.warning("account %s: %s", config.account_id, error)
                return
            else:
                return

    def _begin(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _controlled(self, desk: Desk) -> None:
        newest = self._deps.controls.newest()
        if newest is not None:
            await desk.control(newest)

    async def _control_later(self, desk: Desk) -> None:
        """The newest control, as soon as its account can be written."""
        while not desk.seat.lost:
            try:
                await self._controlled(desk)
            except LATER as error:
                log.warning("the control of all accounts waits for %s: %r", desk.book.account_id, error)
                await asyncio.sleep(1)
            else:
                return
