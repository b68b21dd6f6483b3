"""The dead letters of the bus."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from libs.runtime import letters
from libs.runtime.bus import Bus
from libs.runtime.errors import Unavailable
from libs.runtime.replays import LetterReplay, NumberedLetter
from services.gateway.adapters.connected import require_connection
from services.gateway.domain.problems import Away


class NatsLetters:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def before(self, number: int | None, limit: int) -> tuple[list[NumberedLetter], int | None]:
        with self._answering():
            return await letters.letters_before(self._bus, number, limit)

    async def at(self, number: int) -> NumberedLetter | None:
        with self._answering():
            return await letters.letter_at(self._bus, number)

    async def replayed(self) -> dict[str, int]:
        with self._answering():
            return await letters.times_replayed(self._bus)

    async def replay(self, planned: LetterReplay, who: str, now: datetime) -> bool:
        with self._answering():
            return await letters.publish_replay(self._bus, planned, who, now)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        require_connection(self._bus)
        try:
            yield
        except Unavailable as error:
            raise Away("NATS", unsure=error.unsure) from error
