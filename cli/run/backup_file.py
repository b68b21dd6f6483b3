"""One file with everything that servers hold: streams and collections, and a table of contents with their digests.

It is written beside its name and moved into place when it is whole; read, it is checked whole before anything is used.
"""

import hashlib
import json
import os
import tarfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cli.errors import CliError

FORM = 1  # of the file; a reader takes this one alone
CONTENTS = "contents.json"
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """`told` is what NATS said of a stream: its configuration and state. `documents` are a collection's."""

    kind: str
    name: str
    sha256: str
    told: dict[str, Any] = field(default_factory=dict)
    documents: int = 0

    @property
    def place(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Contents:
    at: str
    database: str
    parts: tuple[Part, ...]
    form: int = FORM

    def of(self, kind: str) -> list[Part]:
        return [part for part in self.parts if part.kind == kind]


def digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def pack(target: Path, contents: Contents, folder: Path) -> None:
    """`folder` has each part at its place. The file is its owner's alone: keys of the API lie in it, as digests, and
    everything that an account did."""
    (folder / CONTENTS).write_text(json.dumps(asdict(contents)))
    scratch = target.with_name(f"{target.name}.part")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as output:
            with tarfile.open(fileobj=output, mode="w:gz", compresslevel=6) as archive:
                for place in (CONTENTS, *(part.place for part in contents.parts)):
                    archive.add(folder / place, place)
            output.flush()
            os.fsync(output.fileno())
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def unpack(file: Path, folder: Path) -> Contents:
    """Bring each part to its place in `folder`. CliError where the file is none of these, or is damaged."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            contents = _contents(archive, file)
            for part in contents.parts:
                _extract(archive, part.place, folder / part.place)
    except (OSError, EOFError, tarfile.TarError, KeyError, ValueError, TypeError) as error:
        raise _useless(file, str(error) or type(error).__name__) from error
    for part in contents.parts:
        if digest(folder / part.place) != part.sha256:
            raise _useless(file, f"{part.place} is not what was written")
    return contents


def _contents(archive: tarfile.TarFile, file: Path) -> Contents:
    source = archive.extractfile(CONTENTS)
    told = json.loads(source.read() if source else b"null")
    if told["form"] != FORM:
        raise CliError(f"{file} is of form {told['form']}, this version reads {FORM}", "take the version that wrote it")
    parts = tuple(Part(**part) for part in told.pop("parts"))
    if not all(part.kind in ("stream", "collection") and _is_plain(part.name) for part in parts):
        raise ValueError("a part has a name that cannot be")
    return Contents(parts=parts, **told)


def _is_plain(name: str) -> bool:
    return name.replace("_", "").replace("-", "").isalnum() and name.isascii()


def _extract(archive: tarfile.TarFile, place: str, target: Path) -> None:
    source = archive.extractfile(place)
    if source is None:
        raise ValueError(f"{place} is no file")
    target.parent.mkdir(exist_ok=True)
    with source, target.open("wb") as output:
        while piece := source.read(_PIECE):
            output.write(piece)


def _useless(file: Path, why: str) -> CliError:
    return CliError(f"{file} cannot be used: {why}", "take another backup; nothing was changed")
