"""`perpetua dead replay`: publish a message that was put aside again, for the worker that refused it alone."""

import base64
import getpass
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from cli.ask.dead import NumberedLetter, dead_letters, pick_letter
from cli.connection import connected
from cli.errors import CliError
from libs.runtime.bus import Bus
from libs.runtime.clock import WallClock
from libs.runtime.deadletters import ends
from libs.runtime.emit import Emit
from libs.runtime.envelope import MSG_ID, REPLAY_FOR
from libs.runtime.errors import Unavailable
from libs.runtime.reader import Record, Start, read_all
from libs.schemas import subjects
from libs.schemas.account import AuditEvent
from libs.schemas.dead import DeadLetter
from libs.schemas.names import ANY, key_of

WHAT = "dead.replayed"
_OURS = ("Nats-", "perpetua-replay")


@dataclass(frozen=True, slots=True)
class LetterReplay:
    """A message as it is published again."""

    letter: DeadLetter
    subject: str
    body: bytes
    headers: Mapping[str, str]
    number: int


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What became of one letter: published under an id, or not, and why."""

    letter_id: str
    replayed_as: str | None
    why: str = ""

    def line(self) -> str:
        if self.replayed_as is None:
            return f"{self.letter_id}: not replayed: {self.why}"
        return f"{self.letter_id}: replayed as {self.replayed_as}" + (f" ({self.why})" if self.why else "")


def plan(found: NumberedLetter, before: int) -> LetterReplay | str:
    """The next replay of a letter that was replayed `before` times, or the reason why there can be none."""
    letter = found.letter
    if letter is None:
        return "it is not a dead letter of this program: nothing says where the message came from"
    if letter.body_truncated:
        return "only the beginning of the message was kept"
    if not letter.body:
        return "the message itself was gone when it was put aside"
    if letter.stream == subjects.MARKET.name:
        return "a tick of the past is of no use: the market has moved on"
    try:
        body = (
            base64.b64decode(letter.body, validate=True) if letter.body_encoding == "base64" else letter.body.encode()
        )
    except ValueError:
        return "its body cannot be decoded"
    if ends(letter.durable, letter.subject, body, "", letter.at):
        return "its request has ended in rejected(dead_lettered) and cannot end twice: ask for a new decision"
    subject = _subject(letter.subject)
    if subject is None:
        return f"no stream takes the subject {letter.subject}"
    return LetterReplay(letter, subject, body, _headers(letter, before + 1), before + 1)


async def replay(url: str, wanted: Iterable[str], *, every: bool, stream: str | None) -> list[ReplayOutcome]:
    """Replay the named letters, or `every` one (of a stream) that never was. CliError for a name that is not there."""
    found = [one for one in await dead_letters(url) if stream is None or (one.letter and one.letter.stream == stream)]
    async with connected(url) as bus:
        times = await _times(bus)
        chosen = [pick_letter(found, name) for name in wanted]
        if every:
            chosen = [one for one in found if one.letter is None or not times[one.letter.dead_letter_id]]
        return [await _one(bus, one, times) for one in chosen]


async def _one(bus: Bus, found: NumberedLetter, times: Counter[str]) -> ReplayOutcome:
    name = found.letter.dead_letter_id if found.letter else f"number {found.number}"
    made = plan(found, times[name])
    if isinstance(made, str):
        return ReplayOutcome(name, None, made)
    new_id = made.headers[MSG_ID]
    try:
        stored = await bus.publish_again(made.subject, made.body, made.headers)
        await bus.publish(Emit(subjects.letter_replayed(made.letter.stream), _audit(made, WallClock().wall())))
    except Unavailable as error:
        raise CliError(f"{name}: {error}", "try again: a message that was stored is not stored twice") from error
    times[name] += 1
    return ReplayOutcome(name, new_id, "somebody else had just done so" if stored.duplicate else "")


def _subject(subject: str) -> str | None:
    """Where it is published: EXECUTION takes verdicts and controls from other streams, under other subjects."""
    parts = subject.split(".")
    if parts[0] == "execute" and len(parts) == 4:
        kind, account = parts[2:]
        made = subjects.decision_validated if kind == "validated" else subjects.control_requested
        subject = made(key_of(account))
    try:
        subjects.stream_of(subject)
    except KeyError:
        return None
    return subject


def _headers(letter: DeadLetter, number: int) -> dict[str, str]:
    kept = {name: value for name, value in letter.headers.items() if not name.startswith(_OURS)}
    name = letter.headers.get(MSG_ID) or letter.dead_letter_id
    return kept | {MSG_ID: f"{name.partition(':replay:')[0]}:replay:{number}", REPLAY_FOR: letter.durable}


def _audit(made: LetterReplay, now: datetime) -> AuditEvent:
    return AuditEvent(
        event_id=f"{made.letter.dead_letter_id}:replay:{made.number}"[-100:],
        who=getpass.getuser()[:100],
        what=WHAT,
        subject=made.letter.dead_letter_id[:100],
        before=f"{made.letter.error.code}: {made.letter.error.message}",
        after=made.headers[MSG_ID],
        why=f"replayed to {made.subject} for {made.letter.durable}"[:500],
        at=now,
    )


async def _times(bus: Bus) -> Counter[str]:
    """How often each letter was replayed."""
    times: Counter[str] = Counter()

    def count(record: Record) -> None:
        try:
            event = AuditEvent.model_validate_json(record.data)
        except ValidationError:
            return
        times[event.subject] += 1

    await read_all(bus, subjects.AUDIT.name, [subjects.letter_replayed(ANY)], count, start=Start.all())
    return times
