"""A backup is used whole or not at all."""

import gzip
import json
import random
import tarfile
from pathlib import Path

import pytest

from cli.errors import CliError
from cli.run.backup_file import CONTENTS, Contents, Part, digest, pack, unpack

AT = "2026-11-30T00:00:00+00:00"


def packed(folder: Path, name: str = "ORDERS") -> Path:
    """A file with one stream, whose messages cannot be packed smaller."""
    (folder / "stream").mkdir(parents=True)
    (folder / "stream" / name).write_bytes(random.Random(1).randbytes(50_000))
    part = Part("stream", name, digest(folder / "stream" / name), {"config": {"name": name}, "state": {"last_seq": 7}})
    pack(folder / "one", Contents(AT, "perpetua", (part,)), folder)
    return folder / "one"


def test_what_was_packed_is_unpacked(tmp_path: Path) -> None:
    file = packed(tmp_path / "from")
    contents = unpack(file, tmp_path)
    assert (contents.at, contents.database) == (AT, "perpetua")
    (part,) = contents.of("stream")
    assert part.told["state"] == {"last_seq": 7} and contents.of("collection") == []
    assert digest(tmp_path / part.place) == part.sha256
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list((tmp_path / "from").glob("*.part"))


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def changed(content: bytes) -> bytes:
    plain = bytearray(gzip.decompress(content))
    middle = len(plain) // 2
    plain[middle] ^= 1
    return gzip.compress(plain)


def another(content: bytes) -> bytes:
    return b"what is this"


def empty(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [cut, changed, another, empty])
def test_a_damaged_file_is_refused(damage: object, tmp_path: Path) -> None:
    file = packed(tmp_path / "from")
    assert callable(damage)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CliError, match=r"cannot be used: .* nothing was changed"):
        unpack(file, tmp_path)


def with_contents(tmp_path: Path, **over: object) -> Path:
    """A file whose table of contents says something else."""
    file = packed(tmp_path / "from")
    told = json.loads((tmp_path / "from" / CONTENTS).read_text()) | over
    (tmp_path / "from" / CONTENTS).write_text(json.dumps(told))
    with tarfile.open(file, "w:gz") as archive:
        archive.add(tmp_path / "from" / CONTENTS, CONTENTS)
    return file


def test_a_file_of_another_form_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="of form 2, this version reads 1"):
        unpack(with_contents(tmp_path, form=2), tmp_path)


@pytest.mark.parametrize("name", ["../../escaped", "/etc/passwd", "a/b", "", "."])
def test_a_part_lies_below_its_folder(name: str, tmp_path: Path) -> None:
    part = {"kind": "stream", "name": name, "sha256": "", "told": {}, "documents": 0}
    with pytest.raises(CliError, match="a name that cannot be"):
        unpack(with_contents(tmp_path, parts=[part]), tmp_path)
