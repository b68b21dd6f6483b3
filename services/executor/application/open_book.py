"""One account's document while this process holds it: the book in memory, its writes, and what they let out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from libs.runtime.errors import Conflict
from libs.schemas.orders import OrderPlan
from libs.schemas.reasons import OrderReason
from services.executor.application.board import Board
from services.executor.application.view import VenueView
from services.executor.domain.bands import Band
from services.executor.domain.book import AccountBook, next_expiry
from services.executor.domain.changes import PositionChange, Turn, seal
from services.executor.domain.quote import Market
from services.executor.domain.trading import TradingBounds
from services.executor.ports import AccountTelling, BookDeps, Fenced, StoredAccount, Write
from services.executor.ports.venues import Stored

UNASKED = frozenset({OrderReason.STOP, OrderReason.TARGET, OrderReason.LIQUIDATION})


class OpenBook:
    """The seat of an account; whoever calls has its turn.

    `seen` is the market sequence up to which everything is in the book, `lost` says that the account is not ours any
    more, `stale` that the document may be newer than the book, `due` when the next of its times comes.
    """

    def __init__(
        self, deps: BookDeps, board: Board, account: StoredAccount, fence: int, telling: AccountTelling
    ) -> None:
        self._deps = deps
        self._view = VenueView(deps, board)
        self.book = account.book
        self.fence = fence
        self.seen = max(account.book.market_sequence, 0 if account.book.concerned else board.sequence)
        self.lost = False
        self.stale = False
        self.due: datetime = next_expiry(account.book)
        self.executed = 0  # version at which the newest stop, target or liquidation came about
        self._listeners: list[Callable[[Turn], None]] = []
        self._relay = telling
        self._relay.push(account.book, account.outbox)

    def market(self) -> Market:
        """The newest quotes and the rules of everything that this account may trade or holds."""
        return self._view.market(self.book)

    def symbols(self) -> set[str]:
        return self._view.symbols(self.book)

    def bands(self) -> dict[str, Band]:
        return self._view.bands(self.book)

    def bounds(self) -> TradingBounds:
        return self._view.bounds(self.book)

    def reach(self, sequence: int) -> None:
        """Everything up to here is in the book."""
        self.seen = max(self.seen, sequence)

    async def save(self, turn: Turn, write: Write | None = None) -> None:
        """Write a turn as the next version. After a failure the document is read again before anything else."""
        before, seen = self.book, max(turn.book.market_sequence, self.seen)
        after, outbox = seal(replace(turn, book=replace(turn.book, market_sequence=seen)), self._deps.clock.now())
        try:
            await (write(after, outbox) if write else self._deps.accounts.write(before, after, self.fence, outbox))
        except Fenced:
            self.lost = True
            raise
        except BaseException:
            self.stale = True
            raise
        self._hold(after)
        if any(isinstance(change, PositionChange) and change.cause in UNASKED for change in turn.changes):
            self.executed = after.version
        for listener in tuple(self._listeners):
            listener(turn)
        if outbox or write is None:  # a reservation alone travels with what is submitted next
            self._relay.push(after, outbox)

    async def commit(self, turn: Turn, sequence: int = 0) -> None:
        """Write a turn that changed something. `sequence` is that of the market event that it follows from."""
        if turn.book is not self.book:
            await self.save(replace(turn, book=replace(turn.book, market_sequence=max(sequence, self.seen))))

    async def reload(self) -> None:
        """The document as it is now. Raises Conflict where it is another process's."""
        found = await self._deps.accounts.load(self.book.account_id)
        if found is None or found.fence > self.fence:
            self.lost = True
            raise Conflict(f"{self.book.account_id} is held by another process now")
        self.stale = False
        self._hold(found.book)
        self.reach(found.book.market_sequence)
        self._relay.push(found.book, found.outbox)

    def carried_out(self, plan: Stored[OrderPlan]) -> None:
        """Nothing of this plan is left to do: it goes to the history with the events that are told next."""
        self._relay.close(self.book, plan)

    def listen(self, on_turn: Callable[[Turn], None]) -> Callable[[], None]:
        """Call back with every turn that was written; the result ends it."""
        self._listeners.append(on_turn)
        return lambda: self._listeners.remove(on_turn)

    async def sent(self) -> None:
        """Return when everything that was written is told."""
        await self._relay.idle()

    async def let_go(self) -> None:
        """The account is not ours from here on; what is in its outbox is sent by whoever takes it."""
        self.lost = True
        await self._relay.abandon()

    def _hold(self, book: AccountBook) -> None:
        self.book = book
        self.due = next_expiry(book)
