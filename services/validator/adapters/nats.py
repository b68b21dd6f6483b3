"""The log of decisions, asked whether a decision has already ended."""

import asyncio

from libs.runtime.bus import Bus
from libs.runtime.envelope import MSG_ID, kind_of
from libs.runtime.errors import Unavailable
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas import subjects

LOOK_S = 5.0


class NatsEndings:
    """Reads an account's terminal events after a sequence: a handful, and only when a proposal is delivered again."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def ended(self, account_id: str, decision_id: str, after: int) -> bool:
        filters = [
            subjects.decision_validated(account_id),
            subjects.decision_rejected(account_id),
            subjects.decision_evaluated(account_id),
        ]
        wanted = {f"{kind_of(subject)}:{decision_id}" for subject in filters}
        found: set[str] = set()

        def look(record: Record) -> None:
            found.update(wanted & {(record.headers or {}).get(MSG_ID, "")})

        reader = OrderedReader(self._bus, subjects.DECISIONS.name, filters, look, start=Start.at(after + 1))
        await reader.start()
        try:
            await asyncio.wait_for(reader.caught_up(), LOOK_S)
        except TimeoutError as error:
            raise Unavailable(f"the log of decisions did not answer within {LOOK_S:g} s") from error
        finally:
            await reader.stop()
        return bool(found)
