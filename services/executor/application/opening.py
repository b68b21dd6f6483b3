"""Accounts from their configuration, or their document, to an open desk."""

from dataclasses import replace
from datetime import datetime

from libs.schemas.account import Account
from services.executor.application.board import Board
from services.executor.application.desk import Desk
from services.executor.application.live_desks import LiveDesks
from services.executor.application.open_book import OpenBook
from services.executor.application.paper_trading import PaperTrading
from services.executor.application.relay import Relay
from services.executor.domain.book import AccountBook, new_book
from services.executor.domain.performance import performance
from services.executor.ports import Deps, Fenced, StoredAccount


class Opening:
    """Makes desks; who holds them is `Desks`' affair."""

    def __init__(self, deps: Deps, board: Board, live: LiveDesks) -> None:
        self._deps = deps
        self._board = board
        self._live = live

    def paper(self, account: StoredAccount, fence: int) -> Desk:
        seat = OpenBook(self._deps, self._board, account, fence, Relay(self._deps, account.book.account_id))
        return Desk(self._deps, self._board, seat, PaperTrading(seat, self._deps.venue(seat)))

    async def desk(self, config: Account, fence: int) -> Desk | None:
        """None where a live account may not trade."""
        account = await self._stored(config, fence)
        if config.mode == account.book.mode == "paper":
            return self.paper(account, fence)
        desk = await self._live.until_open(config, account, fence)
        if desk is not None:
            for plan in await self._deps.plans.unfinished([config.account_id]):
                await desk.resume(plan)
        return desk

    def wanted(self, book: AccountBook) -> bool:
        """A deleted account is opened only for what is still open in it; a live one when its venue has answered."""
        if book.mode == "live":
            return False
        return bool(book.exposed) or self._deps.config.account(book.account_id) is not None

    def placed(self, account: StoredAccount, created: datetime) -> StoredAccount:
        """The account with a market sequence that means something: a stream made anew counts from 1 again."""
        if account.book.market_created == created:
            return account
        book = replace(account.book, market_sequence=self._board.sequence, market_created=created)
        return replace(account, book=book)

    async def _stored(self, config: Account, fence: int) -> StoredAccount:
        """The account's document, made where it is new; its versions go on from the last that was published."""
        created, sequence = await self._deps.log.created()
        book = new_book(config, performance((), config.initial_balance), self._deps.clock.now())
        version = await self._deps.states.version(config.account_id) + 1
        book = replace(book, version=version, market_created=created, market_sequence=sequence)
        if await self._deps.accounts.create(book, fence):
            return StoredAccount(book, fence)
        stored = await self._deps.accounts.load(config.account_id)
        if stored is None or stored.fence > fence:
            raise Fenced(f"{config.account_id} is held by another process")
        return stored
