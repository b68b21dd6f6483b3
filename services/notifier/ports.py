"""What the notifier needs from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from libs.runtime.clock import Clock
from libs.schemas.names import Key
from libs.schemas.notices import Notice
from services.notifier.domain.routes import NoticeRoute

Outcome = Literal["sent", "failed", "quiet", "dead"]


class Undelivered(Exception):
    """A receiver did not take it. The text may be shown: it holds no address and no secret.

    `final`: it never will. `after` are the seconds for which it asked to be left alone.
    """

    def __init__(self, detail: str, *, final: bool = False, after: float = 0.0) -> None:
        super().__init__(detail)
        self.final = final
        self.after = after


class Sender(Protocol):
    async def send(self, notices: Sequence[Notice]) -> None:
        """Return when the receiver has taken all of them. Raises Undelivered."""


class Teller(Protocol):
    """A route as notices go it: it may wait for others that go with this one."""

    async def tell(self, notice: Notice) -> None:
        """Return when the receiver has taken it. Raises Undelivered."""


class NotifierMeter(Protocol):
    """What operators see."""

    def settled(self, route: Key, outcome: Outcome) -> None: ...
    def too_old(self) -> None: ...
    def may_repeat(self, route: Key) -> None:
        """It is tried again, and how the earlier attempt ended is not known here."""


@dataclass(frozen=True, slots=True)
class Deps:
    """`oldest` is how old an event may be that is still told, in wall time."""

    routes: Mapping[Key, NoticeRoute]
    tellers: Mapping[Key, Teller]
    clock: Clock
    meter: NotifierMeter
    oldest: timedelta = timedelta(hours=24)
    concurrency: int = 256
