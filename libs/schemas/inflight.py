"""Decisions in flight: who holds an account's place, who shares it, who waits for it (KV `inflight`)."""

from typing import Annotated

from pydantic import Field

from libs.schemas.base import AccountId, Id, Message, Name, Price, Symbol, Utc, Wire
from libs.schemas.context import DecisionRequest
from libs.schemas.memory import PastVerdict

TraceContext = Annotated[str, Field(max_length=55)]  # W3C; what follows from a request stays in its trace
MAX_JOINED = 500
MAX_REMEMBERED = 64
MAX_VERDICTS = 60


class Joined(Wire):
    """A request that another one's decision will answer."""

    request_id: Id
    cycle: Id
    trace: TraceContext | None = None


class Taken(Wire):
    """A decision that was begun: the market time, the account's version and the prices that its context knows."""

    request_id: Id
    decision_id: Id
    taken_at: Utc
    account_version: int = Field(ge=0)
    prices: dict[Symbol, Price] = {}


class Holder(Taken):
    """The decision in flight. After `deadline` (wall time) it counts as dead.

    `key` says which wishes its decision may answer later; `after` names the decision whose end let it begin.
    """

    request: DecisionRequest
    deadline: Utc
    key: Name | None = None
    after: Id | None = None
    joined: Annotated[tuple[Joined, ...], Field(max_length=MAX_JOINED)] = ()
    trace: TraceContext | None = None


class Waiting(Wire):
    """A request that waits for its turn, with the identical ones that came after it."""

    request: DecisionRequest
    account_version: int = Field(default=0, ge=0)
    joined: Annotated[tuple[Joined, ...], Field(max_length=MAX_JOINED)] = ()
    trace: TraceContext | None = None


class InFlight(Message):
    """One account's place: its holder, the line behind it (first in front), the newest decision that was begun and
    ended as one, the ids of the requests that ended last, and the newest verdicts on what was to be done."""

    account_id: AccountId
    holder: Holder | None = None
    line: tuple[Waiting, ...] = ()
    last: Taken | None = None
    ended: Annotated[tuple[Id, ...], Field(max_length=MAX_REMEMBERED)] = ()
    verdicts: Annotated[tuple[PastVerdict, ...], Field(max_length=MAX_VERDICTS)] = ()
