"""What the context worker asks of the bus: requests, places and executed stops, as its adapters read them."""

from collections.abc import Mapping

from libs.schemas import subjects
from libs.schemas.context import DecisionRequest
from libs.schemas.inflight import InFlight
from libs.schemas.names import key_of
from libs.schemas.orders import PositionEvent
from services.context.domain.causes import EXECUTED
from services.context.domain.triggers import Asked, noted
from services.context.ports import Place
from simulation.bus import Copy, LogReader, SimulatedBus
from simulation.jetstream import LoggedMessage

INFLIGHT = subjects.KV_INFLIGHT.name


class SimulatedRequests:
    """What was asked of each account, from the log of requests."""

    def __init__(self, bus: SimulatedBus) -> None:
        self._bus = bus
        self._asked: dict[str, Asked] = {}
        self._sequences: dict[str, int] = {}
        self.reader = LogReader(bus, subjects.REQUESTS.name, self._take)

    def of(self, account_id: str) -> Asked | None:
        return self._asked.get(account_id)

    def sequence(self, account_id: str) -> int:
        return self._sequences.get(account_id, 0)

    def note(self, body: DecisionRequest, sequence: int) -> None:
        name = body.account_id
        self._sequences[name] = max(sequence, self._sequences.get(name, 0))
        if not body.dry_run:
            self._asked[name] = noted(self._asked.get(name), body, sequence, self._bus.clock.now())

    async def refresh(self, account_id: str) -> None:
        stream, subject = (
            self._bus.server.streams[subjects.REQUESTS.name],
            subjects.decision_requested(key_of(account_id)),
        )

        def newest() -> LoggedMessage | None:
            sequence = stream.newest.get(subject)
            return stream.messages[sequence - 1] if sequence else None

        found = await self._bus.link.ask("newest request", newest, account_id)
        self._sequences[account_id] = found.sequence if found else 0
        if found is not None:
            self._take(found)

    def _take(self, message: LoggedMessage) -> None:
        self.note(DecisionRequest.model_validate_json(message.data), message.sequence)


class SimulatedPositions:
    """Executed stops, targets and liquidations, from the log of positions."""

    def __init__(self, bus: SimulatedBus) -> None:
        self._newest: dict[str, PositionEvent] = {}
        self.reader = LogReader(bus, subjects.ORDERS.name, self._take)

    def executed(self, account_id: str) -> PositionEvent | None:
        return self._newest.get(account_id)

    def _take(self, message: LoggedMessage) -> None:
        if not message.subject.startswith("position."):
            return
        event = PositionEvent.model_validate_json(message.data)
        known = self._newest.get(event.account_id)
        if event.cause in EXECUTED and (known is None or event.account_version >= known.account_version):
            self._newest[event.account_id] = event


class SimulatedPlaces:
    """KV `inflight`: read from a live copy, written by compare-and-set."""

    def __init__(self, bus: SimulatedBus) -> None:
        self._bus = bus
        self.copy: Copy[InFlight] = Copy(bus, INFLIGHT, InFlight.model_validate_json)
        self._own: dict[str, Place] = {}

    def seen(self, key: str) -> Place | None:
        slot, revision = self.copy.get(key), self.copy.revision(key)
        own = self._own.get(key)
        if own is not None and own.revision > revision:
            return own
        self._own.pop(key, None)
        return None if slot is None else Place(slot, revision)

    def all(self) -> Mapping[str, InFlight]:
        return self.copy.items()

    async def read(self, key: str) -> Place | None:
        found = await self._bus.kv_get(INFLIGHT, key)
        return None if found is None else Place(InFlight.model_validate_json(found[0]), found[1])

    async def write(self, key: str, slot: InFlight, last: int) -> None:
        self._own[key] = Place(slot, await self._bus.kv_put(INFLIGHT, key, slot, last=last))
