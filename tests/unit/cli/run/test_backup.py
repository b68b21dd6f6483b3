"""A state folder is kept whole, comes back as it was, and is never half replaced."""

import io
import json
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.embedded.errors import ServerError
from cli.embedded.state import Lock
from cli.errors import CliError
from cli.project import StateFolder
from cli.run.backup import LAYOUT, MANIFEST, Manifest, write_backup
from cli.run.replacing import LOCK, built_aside, start_over
from cli.run.restore import restore
from cli.runfile import RunFile

NOW = datetime(2026, 11, 30, 5, 0, tzinfo=UTC)
KEPT = {
    "nats/jetstream/1.blk": b"messages" * 100,
    "mongodb/WiredTiger": b"pages",
    "passwords.json": b"{}",
    "api_key": b"pk",
    "market": b"synthetic market 1\n",
    "config/accounts.yaml": b"accounts: []",
}
LEFT = {"logs/feed-1.log": b"x", "nats.log": b"x", "run.json": b"{}", "servers.json": b"{}", "checked.json": b"{}"}


def filled(folder: Path, files: dict[str, bytes]) -> StateFolder:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return StateFolder(folder)


def held(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LOCK)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return filled(tmp_path / "state", KEPT | LEFT)


@pytest.fixture
def file(state: StateFolder, tmp_path: Path) -> Path:
    made = tmp_path / "kept.tar.gz"
    write_backup(state, made, {}, NOW)
    return made


def test_what_is_kept_comes_back_for_its_owner_alone(state: StateFolder, file: Path, tmp_path: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    other = StateFolder(tmp_path / "a" / "b")
    manifest = restore(other, file, replace=False)
    assert (manifest.made_at, manifest.market, len(manifest.files)) == (
        "2026-11-30T05:00:00Z",
        "synthetic market 1",
        len(KEPT),
    )
    assert held(other.folder) == KEPT
    files = [path for path in other.folder.rglob("*") if path.is_file() and path.name != LOCK]
    assert {path.stat().st_mode & 0o77 for path in (other.folder, *files)} == {0}
    assert held(state.folder) == KEPT | LEFT
    assert {path.name for path in tmp_path.iterdir()} == {"state", "kept.tar.gz", "a"}


def test_a_state_is_replaced_only_when_it_is_said(state: StateFolder, file: Path) -> None:
    filled(state.folder, {"mongodb/WiredTiger": b"later", "mongodb/new": b"later"})
    with pytest.raises(CliError, match="holds a state already"):
        restore(state, file, replace=False)
    assert (state.folder / "mongodb" / "new").exists()
    restore(state, file, replace=True)
    assert held(state.folder) == KEPT


@pytest.mark.parametrize("act", ["backup", "restore", "reset"])
def test_nothing_is_done_while_something_runs(act: str, state: StateFolder, file: Path, tmp_path: Path) -> None:
    acts: dict[str, Callable[[], object]] = {
        "backup": lambda: write_backup(state, tmp_path / "other.tar.gz", {}, NOW),
        "restore": lambda: restore(state, file, replace=True),
        "reset": lambda: start_over(state),
    }
    before = held(state.folder)
    starting = Lock(state.folder / LOCK)
    starting.take()
    with pytest.raises(ServerError, match="is in use by process"):
        acts[act]()
    starting.release()
    RunFile.of_this_process("up").save(state.run_file)
    with pytest.raises(CliError, match="`perpetua up` runs in ") as refused:
        acts[act]()
    assert refused.value.hint == f"end it first: `perpetua down --state-dir {state.folder}`"
    assert {**before, "run.json": b""} == {**held(state.folder), "run.json": b""}


def rewritten(file: Path, change: Callable[[dict[str, object], list[tuple[tarfile.TarInfo, bytes]]], object]) -> Path:
    """The backup with another manifest, or other entries."""
    with tarfile.open(file) as archive:
        entries = [(entry, opened.read()) for entry in archive if (opened := archive.extractfile(entry)) is not None]
    manifest = json.loads(entries[0][1])
    change(manifest, entries)
    entries[0] = (entries[0][0], json.dumps(manifest).encode())
    made = file.with_name("changed.tar.gz")
    with tarfile.open(made, "w:gz") as archive:
        for entry, content in entries:
            if entry.isreg():
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made


def _link(_: dict[str, object], entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entry = tarfile.TarInfo(entries[1][0].name)
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    entries[1] = (entry, b"")


def _escaping(manifest: dict[str, object], entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    files = manifest["files"]
    assert isinstance(files, dict)
    files["../outside"] = files.pop(entries[1][0].name)
    entries[1][0].name = "../outside"


def _other_content(_: dict[str, object], entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    entry, content = entries[2]
    entries[2] = (entry, bytes(reversed(content)))


DAMAGES: dict[str, Callable[[dict[str, object], list[tuple[tarfile.TarInfo, bytes]]], object]] = {
    "a file is missing": lambda _, entries: entries.pop(),
    "a file is there twice": lambda _, entries: entries.append(entries[-1]),
    "a file that is not named": lambda _, entries: entries.append((tarfile.TarInfo("more"), b"")),
    "another content": _other_content,
    "a link": _link,
    "a way out of the folder": _escaping,
    "no manifest": lambda _, entries: setattr(entries[0][0], "name", "other.json"),
    "a manifest that says nothing": lambda manifest, _: manifest.clear(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_backup_that_is_damaged_changes_nothing(damage: str, state: StateFolder, file: Path, tmp_path: Path) -> None:
    changed = rewritten(file, DAMAGES[damage])
    before = held(state.folder)
    with pytest.raises(CliError, match="cannot be restored: it is damaged"):
        restore(state, changed, replace=True)
    assert held(state.folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {"state", "kept.tar.gz", "changed.tar.gz"}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_a_backup_that_ends_too_soon_changes_nothing(share: float, state: StateFolder, file: Path) -> None:
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    before = held(state.folder)
    with pytest.raises(CliError, match="cannot be restored"):
        restore(state, file, replace=True)
    assert held(state.folder) == before


@pytest.mark.parametrize(
    ("layout", "todo"),
    [
        (LAYOUT + 1, "restore it with Perpetua 9.9 or newer"),
        (LAYOUT - 1, "restore it with Perpetua 9.9, whose folder this one can start on"),
    ],
)
def test_another_layout_is_refused_with_what_to_do(layout: int, todo: str, state: StateFolder, file: Path) -> None:
    changed = rewritten(file, lambda manifest, _: manifest.update(layout=layout, made_by="9.9"))
    with pytest.raises(CliError) as refused:
        restore(state, changed, replace=True)
    assert f"has the layout {layout} of Perpetua 9.9, and this version knows {LAYOUT}" in refused.value.message
    assert refused.value.hint == todo
    assert held(state.folder) == KEPT | LEFT


def test_what_was_killed_between_two_renames_is_put_back(state: StateFolder, file: Path) -> None:
    state.folder.rename(state.folder.with_name(".state.before"))
    with pytest.raises(KeyboardInterrupt), built_aside(state.folder):
        raise KeyboardInterrupt
    assert held(state.folder) == KEPT | LEFT


@pytest.mark.parametrize(
    ("name", "env", "said"),
    [
        ("state/inside.tar.gz", {}, "would lie in the folder that it keeps"),
        ("kept.tar.gz", {}, "is there already"),
        ("none/kept.tar.gz", {}, "is not a folder"),
        ("other.tar.gz", {"MONGODB_URL": "mongodb://db"}, "MONGODB_URL: the history is on servers of your own"),
    ],
)
def test_what_would_keep_nothing_is_refused(
    name: str, env: dict[str, str], said: str, state: StateFolder, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(CliError, match=said):
        write_backup(state, tmp_path / name, env, NOW)


def test_a_folder_that_is_no_state_is_never_touched(file: Path, tmp_path: Path) -> None:
    mine = filled(tmp_path / "mine", {"config/thesis.txt": b"x"})
    for act in (
        lambda: write_backup(mine, tmp_path / "other.tar.gz", {}, NOW),
        lambda: restore(mine, file, replace=True),
        lambda: start_over(mine),
    ):
        with pytest.raises(CliError):
            act()
    assert held(mine.folder) == {"config/thesis.txt": b"x"}


def test_a_start_over_keeps_what_people_wrote(state: StateFolder) -> None:
    filled(state.folder, {"environment": b"LLM_MODEL=a\n"})
    (state.folder / "environment").chmod(0o600)
    assert start_over(state) == ["config", "environment"]
    assert held(state.folder) == {"config/accounts.yaml": b"accounts: []", "environment": b"LLM_MODEL=a\n"}
    assert (state.folder / "environment").stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_is_said(file: Path, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder would be")
    with pytest.raises(CliError, match=r"Not a directory|File exists"):
        restore(StateFolder(tmp_path / "blocked" / "state"), file, replace=False)


def test_a_manifest_tells_what_is_in_it() -> None:
    told = Manifest(1, "0.1.0", "", "replay", {MANIFEST: (2**20, ""), "b": (2**19, "")}).told()
    assert told == "2 files, 1.5 MiB, replay"
