"""`perpetua backup`: everything that a state folder holds, in one file, while nothing runs there."""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from cli.embedded.servers import KINDS
from cli.errors import CliError
from cli.project import StateFolder, shown
from cli.run.backup_file import digest
from cli.run.replacing import LOCK, at_rest, is_state, refusals

LAYOUT = 1
"""What a state folder looks like: raised where a version could not start on the folder of the one before."""
MANIFEST = "perpetua-backup.json"
_OF_THE_RUN = frozenset({"run.json", "run.tmp", "servers.json", "servers.tmp", LOCK, "checked.json", "logs"})
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands first in a backup. `files` by path: size and SHA-256."""

    layout: int
    made_by: str
    made_at: str
    market: str
    files: dict[str, tuple[int, str]]

    @property
    def size(self) -> int:
        return sum(size for size, _ in self.files.values())

    def told(self) -> str:
        return f"{len(self.files)} files, {self.size / 2**20:.1f} MiB, {self.market or 'no market'}"


def write_backup(state: StateFolder, file: Path, env: Mapping[str, str], now: datetime) -> Manifest:
    """CliError where there is nothing to be kept, or not all of it is here."""
    _check(state, file, env)
    with at_rest(state), refusals():
        paths = {str(path.relative_to(state.folder)): path for path in _kept(state.folder)}
        market = state.market.read_text().strip() if state.market.exists() else ""
        files = {name: (path.stat().st_size, digest(path)) for name, path in paths.items()}
        manifest = Manifest(LAYOUT, version("perpetua"), f"{now:%Y-%m-%dT%H:%M:%SZ}", market, files)
        scratch = file.with_name(f".{file.name}.tmp")
        try:
            _write(scratch, manifest, paths)
            scratch.replace(file)
        finally:
            scratch.unlink(missing_ok=True)
    return manifest


def _check(state: StateFolder, file: Path, env: Mapping[str, str]) -> None:
    if not is_state(state.folder):
        raise CliError(f"nothing has run in {shown(state.folder)} yet", "name the right folder by --state-dir")
    if away := [kind.variable for kind in KINDS if env.get(kind.variable, "").strip()]:
        raise CliError(
            f"{', '.join(away)}: the history is on servers of your own, not in {shown(state.folder)}",
            "`perpetua servers backup FILE` keeps those; without the variables this folder alone is kept",
        )
    if file.exists():
        raise CliError(f"{shown(file)} is there already", "name another file, or remove it")
    if not file.resolve().parent.is_dir():
        raise CliError(f"{file.resolve().parent} is not a folder", "make it first")
    if file.resolve().is_relative_to(state.folder):
        raise CliError(f"{shown(file)} would lie in the folder that it keeps", "name a file outside of it")


def _kept(folder: Path) -> Iterator[Path]:
    """Regular files but those of a run and logs, which the next one makes anew."""
    for path in sorted(folder.rglob("*")):
        top = path.relative_to(folder).parts[0]
        if path.is_file() and top not in _OF_THE_RUN and not _is_log(folder, path):
            yield path


def _is_log(folder: Path, path: Path) -> bool:
    return path.parent == folder and path.suffix == ".log"


def _write(scratch: Path, manifest: Manifest, paths: Mapping[str, Path]) -> None:
    """For its owner only from the first moment on: passwords and keys are in it."""
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=0o600)
    with tarfile.open(scratch, "w:gz", compresslevel=6) as archive:
        said = json.dumps(asdict(manifest), indent=1).encode()
        archive.addfile(_entry(MANIFEST, len(said)), io.BytesIO(said))
        for name, path in paths.items():
            with path.open("rb", buffering=_BLOCK) as opened:
                archive.addfile(_entry(name, manifest.files[name][0]), opened)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry
