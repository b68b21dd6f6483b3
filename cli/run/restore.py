"""`perpetua restore`: a state folder as it was backed up, built aside and checked before it takes the place."""

import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from cli.errors import CliError
from cli.project import StateFolder, shown
from cli.run.backup import LAYOUT, MANIFEST, Manifest
from cli.run.replacing import LOCK, at_rest, built_aside, is_empty, is_state, refusals

_BLOCK = 1024 * 1024
_LARGEST_MANIFEST = 64 * _BLOCK
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, ValueError, KeyError, TypeError, UnicodeDecodeError)


def restore(state: StateFolder, file: Path, *, replace: bool) -> Manifest:
    """The folder is as it was before, or as the backup says, whatever happens. CliError for a backup that is damaged,
    of another layout, or where a state is in the way."""
    if not file.is_file():
        raise CliError(f"{shown(file)} is not a file", "name what `perpetua backup` wrote")
    _check_place(state, replace)
    with ExitStack() as stack:
        if state.folder.exists():
            stack.enter_context(at_rest(state))
        aside = stack.enter_context(built_aside(state.folder))
        return _unpack(file, aside)


def _check_place(state: StateFolder, replace: bool) -> None:
    if is_empty(state.folder):
        return
    if not is_state(state.folder):
        raise CliError(f"{state.folder} is no state folder of Perpetua", "name another one by --state-dir")
    if not replace:
        raise CliError(
            f"{shown(state.folder)} holds a state already",
            "add --replace, which ends what is there, or name another --state-dir",
        )


def _unpack(file: Path, aside: Path) -> Manifest:
    with _reading(file), tarfile.open(file, "r:gz") as archive:
        entries = iter(archive)
        manifest = _manifest(archive, next(entries, None), file)
        missing = dict(manifest.files)
        for entry in entries:
            expected = missing.pop(entry.name)  # what the manifest does not name, or twice, is no backup of ours
            if not entry.isreg() or entry.size != expected[0] or not _is_below(entry.name):
                raise ValueError(entry.name)
            _copy(_content(archive, entry), aside / entry.name, expected[1])
        if missing:
            raise ValueError(f"{len(missing)} files are missing")
    with refusals():
        (aside / LOCK).touch()
    return manifest


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        said = "it is damaged, or no backup of Perpetua"
        raise CliError(
            f"{shown(file)} cannot be restored: {said}", "take another one; nothing was changed here"
        ) from error
    except OSError as error:
        raise CliError(
            f"{error.filename or shown(file)}: {error.strerror or error}", "check permissions and free space"
        ) from error


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    opened = archive.extractfile(entry)
    if opened is None:
        raise ValueError(entry.name)
    return opened


def _manifest(archive: tarfile.TarFile, entry: tarfile.TarInfo | None, file: Path) -> Manifest:
    if entry is None or entry.name != MANIFEST or entry.size > _LARGEST_MANIFEST:
        raise ValueError("no manifest")
    told: dict[str, Any] = json.loads(_content(archive, entry).read())
    layout, made_by = int(told["layout"]), str(told["made_by"])
    if layout != LAYOUT:
        newer = layout > LAYOUT
        todo = f"restore it with Perpetua {made_by}" + (
            " or newer" if newer else ", whose folder this one can start on"
        )
        raise CliError(
            f"{shown(file)} has the layout {layout} of Perpetua {made_by}, and this version knows {LAYOUT}", todo
        )
    files = {str(name): (int(size), str(digest)) for name, (size, digest) in told["files"].items()}
    return Manifest(layout, made_by, str(told["made_at"]), str(told["market"]), files)


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _copy(content: IO[bytes], target: Path, expected: str) -> None:
    """For its owner only, as all of a state folder is."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        for block in iter(lambda: content.read(_BLOCK), b""):
            digest.update(block)
            output.write(block)
    if digest.hexdigest() != expected:
        raise ValueError(target.name)
