"""A chain of seals for each account: what was decided and ordered, digest by digest, each seal over the one before.

A seal says of a range of each stream which messages of the account are in it, and that there are no others. It keeps
digests and no bodies, so that it outlives the log.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from libs.invariants.values import InvariantCheck, Tally
from libs.schemas import subjects

SEALED = (subjects.DECISIONS, subjects.ORDERS)
MOST = 20_000  # messages of one seal, which is one document
NOTHING_BEFORE = "0" * 64
Place = tuple[str, int]  # a stream, and a sequence in it


@dataclass(frozen=True, slots=True)
class SealedMessage:
    stream: str
    sequence: int
    account_id: str
    digest: str

    @property
    def place(self) -> Place:
        return self.stream, self.sequence


@dataclass(frozen=True, slots=True)
class Seal:
    """The `number`-th of an account, counted from 1. `through` is the last sequence of each stream that it looked at;
    `at` wall time."""

    account_id: str
    number: int
    before: str
    at: str
    through: Mapping[str, int]
    messages: tuple[SealedMessage, ...]

    def wire(self) -> dict[str, Any]:
        return {
            "account_id": self.account_id,
            "number": self.number,
            "before": self.before,
            "at": self.at,
            "through": dict(self.through),
            "messages": [[one.stream, one.sequence, one.digest] for one in self.messages],
        }

    @property
    def head(self) -> "SealHead":
        return SealHead(self.number, self.digest, self.through)

    @property
    def digest(self) -> str:
        """Of the seal as JSON, keys in order and without spaces."""
        return hashlib.sha256(json.dumps(self.wire(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def seal_of(wire: Mapping[str, Any]) -> Seal:
    """Raises KeyError, TypeError or ValueError for what is none."""
    account_id = str(wire["account_id"])
    messages = (
        SealedMessage(str(stream), int(sequence), account_id, str(digest))
        for stream, sequence, digest in wire["messages"]
    )
    through = {str(stream): int(sequence) for stream, sequence in wire["through"].items()}
    return Seal(account_id, int(wire["number"]), str(wire["before"]), str(wire["at"]), through, tuple(messages))


def message_digest(subject: str, body: bytes) -> str:
    """Of a message under its subject: it cannot be moved to another account, nor be another event."""
    return hashlib.sha256(subject.encode() + b"\0" + body).hexdigest()


@dataclass(frozen=True, slots=True)
class SealHead:
    """The last seal of an account."""

    number: int = 0
    digest: str = NOTHING_BEFORE
    through: Mapping[str, int] = field(default_factory=dict)

    def lacks(self, message: SealedMessage) -> bool:
        return message.sequence > self.through.get(message.stream, 0)


def next_seal(
    account_id: str,
    head: SealHead,
    messages: Iterable[SealedMessage],
    through: Mapping[str, int],
    at: str,
    most: int = MOST,
) -> Seal | None:
    """The seal over what the head lacks, or its beginning where that is more than a seal takes; None for nothing."""
    fresh = sorted((one for one in messages if head.lacks(one)), key=lambda one: one.place)
    if not fresh:
        return None
    kept, rest = fresh[:most], fresh[most:]
    reached = {stream.name: max(through.get(stream.name, 0), head.through.get(stream.name, 0)) for stream in SEALED}
    for one in reversed(rest):  # of each stream up to the message before the first that is left over
        reached[one.stream] = one.sequence - 1
    return Seal(account_id, head.number + 1, head.digest, at, reached, tuple(kept))


@dataclass(frozen=True, slots=True)
class StoredSeal:
    """`digest` as it was stored beside the seal."""

    seal: Seal
    digest: str


@dataclass(frozen=True, slots=True)
class Announced:
    """A head as it was told elsewhere: in AUDIT, or in a file."""

    account_id: str
    number: int
    digest: str


@dataclass(slots=True)
class SealedStreams:
    """Messages of the sealed streams by place, as they are now; `first` is where each stream begins now."""

    messages: dict[Place, SealedMessage] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)


def history_is_sealed(
    stored: Sequence[StoredSeal], history: SealedStreams, heads: Iterable[Announced]
) -> InvariantCheck:
    tally = Tally("H", "the history is what was sealed")
    chains: dict[str, list[StoredSeal]] = {}
    for one in sorted(stored, key=lambda one: one.seal.number):
        chains.setdefault(one.seal.account_id, []).append(one)
    for account_id, chain in chains.items():
        _chained(tally, account_id, chain)
        _kept(tally, chain, history)
    digests = {(one.seal.account_id, one.seal.number): one.seal.digest for one in stored}
    for head in heads:
        found = digests.get((head.account_id, head.number))
        said = None if found == head.digest else f"told as {head.digest[:16]}…, stored {(found or 'nowhere')[:16]}"
        tally.judge(f"{head.account_id} {head.number}", said)
    _unsealed(tally, chains, history)
    return tally.done()


def _chained(tally: Tally, account_id: str, chain: Sequence[StoredSeal]) -> None:
    before = NOTHING_BEFORE
    for number, one in enumerate(chain, 1):
        seal, said = one.seal, None
        if seal.number != number:
            said = f"seal {seal.number} stands where seal {number} belongs"
        elif seal.before != before:
            said = "it is not over the seal before it"
        elif seal.digest != one.digest:
            said = "it is not what its digest says"
        tally.judge(f"{account_id} {seal.number}", said)
        if said is not None:
            return
        before = seal.digest


def _kept(tally: Tally, chain: Sequence[StoredSeal], history: SealedStreams) -> None:
    for message in (message for one in chain for message in one.seal.messages):
        there = history.messages.get(message.place)
        if there is None and message.sequence < history.first.get(message.stream, 0):
            tally.expired += 1
        elif there is None:
            tally.breach(_named(message), "sealed, and gone from the log")
        else:
            tally.judge(_named(message), None if there == message else "not what was sealed")


def _unsealed(tally: Tally, chains: Mapping[str, Sequence[StoredSeal]], history: SealedStreams) -> None:
    sealed = {m.place for chain in chains.values() for one in chain for m in one.seal.messages}
    for place, message in history.messages.items():
        if place in sealed:
            continue
        chain = chains.get(message.account_id, ())
        if any(message.sequence <= one.seal.through.get(message.stream, 0) for one in chain[-1:]):
            tally.breach(_named(message), "in the log where a seal says that there is nothing")
        else:
            tally.moving += 1


def _named(message: SealedMessage) -> str:
    return f"{message.account_id} {message.stream} {message.sequence}"
