"""Live accounts from their configuration to an open desk, through every gate; one that misses a gate stays shut."""

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from libs.runtime.errors import Unavailable
from libs.schemas import ids
from libs.schemas.account import Account
from services.executor.application import alerts
from services.executor.application.away import LATER
from services.executor.application.board import Board
from services.executor.application.desk import Desk
from services.executor.application.lease_terms import LeaseTerms
from services.executor.application.live_orders import LiveOrders
from services.executor.application.live_trading import LiveTrading
from services.executor.application.open_book import OpenBook
from services.executor.application.relay import Relay
from services.executor.domain.book import AccountBook
from services.executor.domain.live import Situation, explain, gates
from services.executor.ports import Deps, StoredAccount
from services.executor.ports.venues import LiveVenue, LiveVenues, NotLive

log = logging.getLogger(__name__)


class Shut(Exception):
    """A live account that may not trade; the text names everything that is missing."""


@dataclass(slots=True)
class LiveDesks:
    """Opens desks; who holds them is `Desks`' affair."""

    deps: Deps
    board: Board
    terms: LeaseTerms
    refused: dict[str, str] = field(default_factory=dict)

    def missing(self, config: Account) -> str | None:
        """What is missing before anybody is asked; None where the venue may be opened."""
        live = self.deps.live
        if live is None:
            return f"mode {config.mode} is not possible here; set mode paper"
        found = gates(config, self._situation(live, config))
        unknown = [s for s in config.symbols if self.deps.config.venue_symbol(config.venue, s) is None]
        if not found and unknown:
            return f"there are no rules of {', '.join(unknown)} at {config.venue}: put them into KV config first"
        return explain(config.account_id, found) if found else None

    def refusal(self, config: Account, book: AccountBook | None) -> str | None:
        """Why an account may not be opened, or not be changed like this while `book` is open; for paper ones too."""
        missing = self.missing(config) if config.mode == "live" else None
        return missing or (other_books(config, book) if book else None)

    async def until_open(self, config: Account, account: StoredAccount, fence: int) -> Desk | None:
        """The desk, or None where it was refused; a venue that cannot be asked is told of, and raises Unavailable."""
        try:
            desk = await self._open(config, account, fence)
        except Shut as shut:
            await self.refuse(config, str(shut))
            return None
        except Unavailable as error:
            await self.refuse(config, f"its venue was not reconciled yet: {error}")
            raise
        self.refused.pop(config.account_id, None)
        return desk

    async def _open(self, config: Account, account: StoredAccount, fence: int) -> Desk:
        """A desk that is reconciled. Raises Shut, Unavailable."""
        live = self.deps.live
        why = self.refusal(config, account.book)
        if why is not None or live is None:
            raise Shut(why)
        try:
            venue = await live.open(config)
        except NotLive as error:
            raise Shut(str(error)) from None
        partition = ids.partition(config.account_id)
        seat = OpenBook(self.deps, self.board, account, fence, Relay(self.deps, account.book.account_id))
        orders = LiveOrders(seat, venue, self.deps.clock, lambda: self.terms.left(partition))
        trading = LiveTrading(self.deps, seat, venue, orders)
        desk = Desk(self.deps, self.board, seat, trading)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(stopped, desk)
            await self._examine(live, config, venue, desk, trading)
            undo.pop_all()
        return desk

    async def refuse(self, config: Account, why: str) -> None:
        """Tell it, once per reason."""
        if self.refused.get(config.account_id) == why:
            return
        self.refused[config.account_id] = why
        log.critical("account %s stays closed: %s", config.account_id, why)
        await self.deps.publisher.publish(alerts.refused(config, why, self.deps.clock.now()))

    async def _examine(
        self, live: LiveVenues, config: Account, venue: LiveVenue, desk: Desk, trading: LiveTrading
    ) -> None:
        """What only the venue knows: the key's rights, and whether its truth is ours."""
        fresh = desk.book.reconciled_at is None
        can_withdraw = await venue.can_withdraw()
        found = gates(config, self._situation(live, config, can_withdraw))
        if not found:
            async with desk.turn():
                await trading.reconcile(adopt=config.account_id in live.adopts)
            theirs = trading.foreign if fresh else ()  # an account with a history goes on, reducing
            found = gates(config, self._situation(live, config, can_withdraw, theirs))
        if found:
            raise Shut(explain(config.account_id, found))

    def _situation(
        self, live: LiveVenues, config: Account, can_withdraw: bool | None = None, foreign: Sequence[str] = ()
    ) -> Situation:
        return Situation(
            allowed=live.allowed,
            credential_present=live.has_credential(config),
            can_withdraw=can_withdraw,
            reconciled=True,
            users=_users(config, self.deps),
            foreign_positions=tuple(foreign),
            adopt=config.account_id in live.adopts,
        )


def other_books(config: Account, book: AccountBook) -> str | None:
    """Paper money is no money: an account goes live under a name of its own."""
    if (book.mode, book.venue) == (config.mode, config.venue):
        return None
    return f"its books are {book.mode} at {book.venue}, their money is not this venue's: go live under a new account id"


def _users(config: Account, deps: Deps) -> tuple[str, ...]:
    """Live accounts that name the same credential."""
    accounts = deps.config.accounts.values()
    return tuple(
        sorted(a.account_id for a in accounts if a.mode == "live" and a.credential == config.credential is not None)
    )


async def stopped(desk: Desk) -> None:
    """Let go of a desk that was never opened."""
    with suppress(*LATER):
        await desk.close(patience=0)
