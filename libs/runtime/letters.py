"""The dead letters on the bus: read, and published again with a word in the audit log."""

import asyncio
from collections import Counter
from datetime import datetime

import nats.js.errors
from pydantic import ValidationError

from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.envelope import MSG_ID
from libs.runtime.errors import Unavailable
from libs.runtime.reader import UNREADABLE, Record, Start, read_all
from libs.runtime.replays import LetterReplay, NumberedLetter
from libs.schemas import subjects
from libs.schemas.audit import AuditEvent
from libs.schemas.dead import DeadLetter
from libs.schemas.names import ANY

WHAT = "dead.replayed"


async def letters_from(bus: Bus, first: int) -> list[NumberedLetter]:
    """Those from a number on, oldest first."""
    letters: list[NumberedLetter] = []

    def take(record: Record) -> None:
        letters.append(_numbered(record.sequence, record.subject, record.data))

    await read_all(bus, subjects.DEAD.name, subjects.DEAD.subjects, take, start=Start.at(first))
    return letters


async def letters_before(bus: Bus, number: int | None, limit: int) -> tuple[list[NumberedLetter], int | None]:
    """At most `limit` below a number (or the newest), newest first, and the number below which older ones are. Raises
    Unavailable."""
    try:
        state = (await bus.js.stream_info(subjects.DEAD.name)).state
    except UNREADABLE as error:
        raise Unavailable(f"NATS is away: {error!r}") from error
    end = min(number or state.last_seq + 1, state.last_seq + 1)
    start = max(state.first_seq, end - limit, 1)
    read = await asyncio.gather(*(letter_at(bus, one) for one in reversed(range(start, end))))
    return [letter for letter in read if letter], start if start > max(state.first_seq, 1) else None


async def letter_at(bus: Bus, number: int) -> NumberedLetter | None:
    """The one of this number, while the log has it. Raises Unavailable."""
    try:
        stored = await bus.js.get_msg(subjects.DEAD.name, number, direct=True)
    except nats.js.errors.NotFoundError:
        return None
    except UNREADABLE as error:
        raise Unavailable(f"NATS is away: {error!r}") from error
    return _numbered(number, stored.subject or "", stored.data or b"")


async def publish_replay(bus: Bus, planned: LetterReplay, who: str, now: datetime) -> bool:
    """Publish it again and say so in the audit log; whether somebody else had just done so. Raises Unavailable."""
    stored = await bus.publish_again(planned.subject, planned.body, planned.headers)
    await bus.publish(Emit(subjects.letter_replayed(planned.letter.stream), _audit(planned, who, now)))
    return bool(stored.duplicate)


async def times_replayed(bus: Bus) -> Counter[str]:
    """How often each letter was replayed, by its id. Raises Unavailable."""
    times: Counter[str] = Counter()

    def count(record: Record) -> None:
        try:
            event = AuditEvent.model_validate_json(record.data)
        except ValidationError:
            return
        times[event.subject] += 1

    await read_all(bus, subjects.AUDIT.name, [subjects.letter_replayed(ANY)], count, start=Start.all())
    return times


def _numbered(number: int, subject: str, data: bytes) -> NumberedLetter:
    try:
        letter = DeadLetter.model_validate_json(data)
    except ValidationError:
        letter = None
    return NumberedLetter(number, letter, subject, data)


def _audit(planned: LetterReplay, who: str, now: datetime) -> AuditEvent:
    letter = planned.letter
    return AuditEvent(
        event_id=f"{letter.dead_letter_id}:replay:{planned.number}"[-100:],
        who=who[:100],
        what=WHAT,
        subject=letter.dead_letter_id[:100],
        before=f"{letter.error.code}: {letter.error.message}",
        after=planned.headers[MSG_ID],
        why=f"replayed to {planned.subject} for {letter.durable}"[:500],
        at=now,
    )
