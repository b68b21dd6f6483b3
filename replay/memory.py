"""What context and validator need from outside, in memory: nothing is shared with others, so that nothing conflicts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from libs.risk.values import Judgement
from libs.runtime.emit import Emit
from libs.schemas.account import AccountState
from libs.schemas.base import Timeframe
from libs.schemas.context import DecisionRequest
from libs.schemas.inflight import InFlight
from libs.schemas.orders import PositionEvent
from replay.world import ReplayWorld
from services.context.domain.causes import EXECUTED
from services.context.domain.reuse import Kept
from services.context.domain.triggers import Asked, noted
from services.context.ports import Place, PublishAck


class MemoryStates:
    def __init__(self) -> None:
        self._known: dict[str, AccountState] = {}

    def get(self, account_id: str) -> AccountState | None:
        return self._known.get(account_id)

    def put(self, state: AccountState) -> None:
        self._known[state.account_id] = state


class MemoryRequests:
    """What was asked of each account. `note` counts the requests as their log would."""

    def __init__(self, world: ReplayWorld) -> None:
        self._clock = world.clock
        self._asked: dict[str, Asked] = {}
        self.count = 0

    def of(self, account_id: str) -> Asked | None:
        return self._asked.get(account_id)

    def sequence(self, account_id: str) -> int:
        known = self._asked.get(account_id)
        return known.sequence if known else 0

    def note(self, body: DecisionRequest, sequence: int) -> None:
        self.count = max(self.count, sequence)
        self._asked[body.account_id] = noted(self._asked.get(body.account_id), body, sequence, self._clock.now())

    async def refresh(self, account_id: str) -> None: ...


class MemoryPositions:
    def __init__(self) -> None:
        self._newest: dict[str, PositionEvent] = {}

    def executed(self, account_id: str) -> PositionEvent | None:
        return self._newest.get(account_id)

    def put(self, event: PositionEvent) -> None:
        if event.cause in EXECUTED:
            self._newest[event.account_id] = event


class MemoryPlaces:
    def __init__(self) -> None:
        self._known: dict[str, Place] = {}

    def seen(self, key: str) -> Place | None:
        return self._known.get(key)

    def all(self) -> Mapping[str, InFlight]:
        return {key: place.slot for key, place in self._known.items()}

    async def read(self, key: str) -> Place | None:
        return self._known.get(key)

    async def write(self, key: str, slot: InFlight, last: int) -> None:
        self._known[key] = Place(slot, last + 1)


class NoReuse:
    async def find(self, key: str) -> Kept | None:
        return None

    async def keep(self, key: str, kept: Kept) -> None: ...


class MemoryLog:
    """The market is in memory: there is nothing to wait for."""

    def __init__(self, world: ReplayWorld) -> None:
        self._world = world

    async def drained(self, patience: float) -> bool:
        return True

    async def follow(self, timeframes: Iterable[Timeframe]) -> None:
        self._world.state.use(timeframes)


class NoSteps:
    sequence = 0
    pause_s: float | None = None

    async def ready(self) -> bool:
        return True

    async def looked(self, at: datetime, sequence: int) -> None: ...


@dataclass(frozen=True, slots=True)
class MemoryAck:
    seq: int = 0
    duplicate: bool | None = False


class Unpublished:
    """Answers to requests that joined another one, and alerts: nobody asks for them in a replay."""

    async def publish(self, emit: Emit, *, last: int | None = None) -> PublishAck:
        return MemoryAck()

    async def publish_many(self, emits: Iterable[Emit]) -> None: ...


class UnreadContextMeter:
    def ended(self, outcome: str) -> None: ...
    def built(self, seconds: float) -> None: ...
    def triggered(self, kind: str) -> None: ...
    def overdue(self) -> None: ...


class UnreadJudgeMeter:
    def judged(self, judgement: Judgement, seconds: float) -> None: ...
    def ended(self, event: str, outcome: str) -> None: ...
