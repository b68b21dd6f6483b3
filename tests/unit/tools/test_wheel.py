"""What the wheel file holds: everything that a run reads, and the pins that its extras do not carry."""

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from cli.project import ROOT
from tools.wheel import add

OURS = frozenset({"libs", "services", "replay", "simulation", "cli", "config", "requirements"})
PAGE = {"index.html": "<p>the page", "assets/app-1.js": "go()", "assets/app-1.css": "p {}"}
PINNED = re.compile(r"^([a-z0-9-]+)==", re.MULTILINE)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    uv, made = Path(sys.executable).with_name("uv"), tmp_path_factory.mktemp("wheel")
    build: list[str | Path] = [
        uv,
        "build",
        "-q",
        "--wheel",
        "--no-build-isolation",
        "--offline",
        "--python",
        sys.executable,
    ]
    subprocess.run([*build, "-o", made, ROOT], check=True, capture_output=True, env=os.environ)
    (file,) = made.glob("*.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


def files_of(folder: str) -> set[str]:
    """Those of the clone that git would keep."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)) for path in found}


@pytest.mark.parametrize("folder", sorted(OURS))
def test_all_of_a_folder_is_in_it_as_it_is_here(folder: str, wheel: zipfile.ZipFile) -> None:
    there = {name for name in wheel.namelist() if name.startswith(f"{folder}/") and not name.endswith("/")}
    assert there == files_of(folder)
    assert len(there) > 5
    assert [name for name in sorted(there) if wheel.read(name) != (ROOT / name).read_bytes()] == []


def test_nothing_else_is_in_it(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in tops if not name.endswith(".dist-info")} == OURS


def test_its_extras_are_those_that_have_pins_and_nothing_is_needed_that_is_not_pinned(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = email.message_from_bytes(wheel.read(name))
    extras = set(metadata.get_all("Provides-Extra", []))
    pins = {path.stem: set(PINNED.findall(path.read_text())) for path in (ROOT / "requirements").glob("*.txt")}
    assert extras == set(pins) - {"audit", "bootstrap", "dev", "page"}
    for needed in metadata.get_all("Requires-Dist", []):
        package = re.split(r"[^A-Za-z0-9-]", needed)[0].lower()
        named = re.search(r"extra == '(\w+)'", needed)
        if package != "perpetua":
            assert package in pins[named[1] if named else "validator"], needed


def test_every_pin_carries_hashes(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        if name.startswith("requirements/") and name.endswith(".txt"):
            text = wheel.read(name).decode()
            entries = re.split(r"\n(?=\S)", text.strip())
            assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
            assert "://" not in text


def test_the_page_that_was_built_is_where_an_installed_gateway_looks(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    copy, page = tmp_path / Path(str(wheel.filename)).name, tmp_path / "page"
    shutil.copy(str(wheel.filename), copy)
    assert add(copy, page) == 0
    assert copy.read_bytes() == Path(str(wheel.filename)).read_bytes()
    for name, text in {**PAGE, ".holds": "for the build alone"}.items():
        (page / name).parent.mkdir(parents=True, exist_ok=True)
        (page / name).write_text(text)
    assert add(copy, page) == len(PAGE)
    there = tmp_path / "there"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", there, copy], check=True
    )  # it fails where the record and the files differ
    (installed,) = distributions(path=[str(there)])
    shipped = {str(file): file for file in installed.files or () if str(file).startswith("services/gateway/page/")}
    assert {name.removeprefix("services/gateway/page/") for name in shipped} == set(PAGE)
    for name, file in shipped.items():
        held = Path(str(file.locate())).read_bytes()
        assert held.decode() == PAGE[name.removeprefix("services/gateway/page/")]
        assert file.hash and file.hash.value == urlsafe_b64encode(sha256(held).digest()).decode().rstrip("=")
    code = "from services.gateway.settings import PAGE; print(PAGE)"
    told = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(there)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(there / "services" / "gateway" / "page")


def top_names(package: Distribution) -> set[str]:
    """What it puts beside the packages of others."""
    tops = {file.parts[0] for file in package.files or () if file.parts[0] != ".."}
    return {re.sub(r"\.(py|pyc|so|pth)$|\.(cpython|abi3).*$", "", name) for name in tops}


def test_no_dependency_owns_a_name_of_ours() -> None:
    """The environment of this suite holds all extras and what is needed to develop them."""
    packages = [package for package in distributions() if package.metadata["Name"] != "perpetua"]
    names = {package.metadata["Name"]: top_names(package) for package in packages}
    assert {"litellm", "ccxt", "fastapi", "pymongo"} <= {name.lower() for name in names}
    assert "nats" in names["nats-py"]
    assert {name: tops & OURS for name, tops in names.items() if tops & OURS} == {}


def test_a_page_says_how_it_is_installed_and_none_takes_it_from_an_index() -> None:
    """The name on the public index is somebody else's."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    taken = re.compile(r"\b(?:install|add|run|uvx)\b[^`\n]*(?<![-/.\w])perpetua(?![-_/.\w*])")
    assert all(taken.search(text) for text in ("pip install perpetua", "uv add 'perpetua[demo]'", "uvx perpetua"))
    assert taken.search("pip install --no-deps dist/perpetua-0.1.0-py3-none-any.whl") is None
    assert [str(page.relative_to(ROOT)) for page in pages if taken.search(page.read_text())] == []
    assert "--require-hashes" in (ROOT / "docs" / "operations.md").read_text()
