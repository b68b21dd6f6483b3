"""What a dead letter is published again as, or why it cannot be: for the consumer that refused it alone."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from libs.runtime.deadletters import ends
from libs.runtime.envelope import MSG_ID, REPLAY_FOR
from libs.schemas import subjects
from libs.schemas.dead import DeadLetter
from libs.schemas.matching import stream_of
from libs.schemas.names import key_of

_OURS = ("Nats-", "perpetua-replay")


@dataclass(frozen=True, slots=True)
class NumberedLetter:
    """A dead letter by its number (its sequence in DEAD); without a `letter` where the message is none."""

    number: int
    letter: DeadLetter | None
    subject: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class LetterReplay:
    """A message as it is published again."""

    letter: DeadLetter
    subject: str
    body: bytes
    headers: Mapping[str, str]
    number: int


def plan(numbered: NumberedLetter, before: int) -> LetterReplay | str:
    """The next replay of a letter that was replayed `before` times, or the reason why there can be none."""
    letter = numbered.letter
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


def _subject(subject: str) -> str | None:
    """Where it is published: EXECUTION takes verdicts and controls from other streams, under other subjects."""
    parts = subject.split(".")
    if parts[0] == "execute" and len(parts) == 4:
        kind, account = parts[2:]
        source = subjects.decision_validated if kind == "validated" else subjects.control_requested
        subject = source(key_of(account))
    try:
        stream_of(subject)
    except KeyError:
        return None
    return subject


def _headers(letter: DeadLetter, number: int) -> dict[str, str]:
    kept = {name: value for name, value in letter.headers.items() if not name.startswith(_OURS)}
    name = letter.headers.get(MSG_ID) or letter.dead_letter_id
    return kept | {MSG_ID: f"{name.partition(':replay:')[0]}:replay:{number}", REPLAY_FOR: letter.durable}
