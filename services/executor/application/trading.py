"""How an account trades: on paper in its own document, or at a live venue that has to be asked."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.schemas.account import ControlRequested
from services.executor.domain.bands import Band
from services.executor.ports import MarketEvent, Orders

Certain = Callable[[], AbstractAsyncContextManager[None]]


class Trading(Protocol):
    """What a desk is given. Everything but `admit`, `ails`, `listen` and `close` is called within a turn."""

    @property
    def orders(self) -> Orders:
        """Where the orders of a plan go."""

    def admit(self) -> None:
        """Raise Unavailable while no verdict can be carried out."""

    async def begin(self) -> None:
        """Make the books certain before anything is done on them."""

    async def control(self, body: ControlRequested) -> None: ...
    async def tend(self) -> None:
        """What time asks for."""

    def ails(self) -> bool:
        """Whether something asks for `tend` before its time."""

    def bands(self) -> dict[str, Band]:
        """At which prices a tick matters; asked whenever the book is at rest."""

    async def react(self, event: MarketEvent, sequence: int) -> None:
        """Let a market event change the book."""

    async def listen(self, certain: Certain) -> None:
        """Hear what the venue tells for as long as the desk is open; `certain` is a turn that has begun."""

    async def close(self) -> None: ...
