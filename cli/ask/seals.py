"""`perpetua seals`: the seals of the history, to be kept elsewhere and checked without the system."""

import base64
import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from cli.ask.records import records
from cli.connection import connected
from cli.errors import CliError
from libs.invariants.seals import (
    SEALED,
    Announced,
    SealedMessage,
    SealedStreams,
    StoredSeal,
    history_is_sealed,
    message_digest,
    seal_of,
)
from libs.invariants.values import InvariantCheck
from libs.records.seals import stored_seals
from libs.runtime.errors import Unavailable
from libs.runtime.reader import Record, Start, read_all

KIND = "perpetua seals 1"
UNREADABLE: tuple[type[Exception], ...] = (KeyError, TypeError, ValueError, AttributeError)


async def heads(mongodb_url: str) -> list[str]:
    """A line for each account: its name, the number of its last seal, and the digest."""
    async with records(mongodb_url) as db:
        last = {one.seal.account_id: one for one in await stored_seals(db)}
    return [f"{name} {one.seal.number} {one.digest}" for name, one in sorted(last.items())]


async def export(nats_url: str, mongodb_url: str, out: IO[str]) -> tuple[int, int]:
    """Seals, and the messages under them that the log still has, a line of JSON each; how many there were of both."""
    async with connected(nats_url) as bus, records(mongodb_url) as db:
        stored = await stored_seals(db)
        firsts = {one.name: (await bus.js.stream_info(one.name)).state.first_seq for one in SEALED}
        _line(out, {"kind": KIND, "first": firsts})
        for one in stored:
            _line(out, {"seal": one.seal.wire(), "digest": one.digest})
        sealed = {message.place for one in stored for message in one.seal.messages}
        written: list[int] = []
        try:
            for stream in SEALED:
                take = partial(_message, out, stream.name, sealed, written)
                await read_all(bus, stream.name, stream.subjects, take, start=Start.all())
        except Unavailable as error:
            raise CliError(str(error), "is it running? see `perpetua status`") from error
    return len(stored), len(written)


def _message(out: IO[str], stream: str, sealed: set[tuple[str, int]], written: list[int], record: Record) -> None:
    if (stream, record.sequence) in sealed:
        body = base64.b64encode(record.data).decode()
        _line(out, {"stream": stream, "sequence": record.sequence, "subject": record.subject, "body": body})
        written.append(record.sequence)


def _line(out: IO[str], content: dict[str, Any]) -> None:
    out.write(json.dumps(content, separators=(",", ":")) + "\n")


def checked(file: Path, heads_file: Path | None) -> InvariantCheck:
    """A file of `export` against itself, and against heads that were kept elsewhere. CliError for no such file."""
    try:
        with file.open() as lines:
            stored, history = _read(lines)
        known = list(_heads(heads_file.read_text())) if heads_file else []
    except OSError as error:
        raise CliError(f"{error.filename} cannot be read: {error.strerror}", "is the name right?", 2) from error
    except UNREADABLE as error:
        said = f"{type(error).__name__}: {error}"
        raise CliError(f"this is no file of `perpetua seals export`, or no heads: {said}", "is it whole?", 2) from error
    return history_is_sealed(stored, history, known)


def _read(lines: Iterable[str]) -> tuple[list[StoredSeal], SealedStreams]:
    stored: list[StoredSeal] = []
    history = SealedStreams()
    for number, line in enumerate(lines):
        content = json.loads(line)
        if number == 0:
            if content["kind"] != KIND:
                raise ValueError(f"it is of another kind: {content['kind']}")
            history.first |= {str(stream): int(first) for stream, first in content["first"].items()}
        elif "seal" in content:
            stored.append(StoredSeal(seal_of(content["seal"]), str(content["digest"])))
        else:
            message = _sealed(content)
            history.messages[message.place] = message
    if not history.first:
        raise ValueError("it is empty")
    return stored, history


def _sealed(content: dict[str, Any]) -> SealedMessage:
    subject, body = str(content["subject"]), base64.b64decode(content["body"], validate=True)
    account_id = subject.rpartition(".")[2]
    return SealedMessage(str(content["stream"]), int(content["sequence"]), account_id, message_digest(subject, body))


def _heads(text: str) -> Iterator[Announced]:
    for line in text.splitlines():
        account_id, number, digest = line.split()
        yield Announced(account_id, int(number), digest)


def spoken(check: InvariantCheck, most: int = 20) -> list[str]:
    words = f"{check.checked:,} checked, {check.expired:,} expired"
    if not check.breaches:
        return [f"The history is what was sealed ({words})." if check.checked else "There is nothing to check."]
    told = [f"  {breach.about}: {breach.said}" for breach in check.breaches[:most]]
    return [f"The history is NOT what was sealed: {len(check.breaches):,} of {words}.", *told]
