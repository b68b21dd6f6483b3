"""docs/bus.md names tests and files; they exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "bus.md").read_text()


def test_every_test_that_the_document_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    folders = ("runtime", "rights")
    sources = [path.read_text() for name in folders for path in (ROOT / "tests").glob(f"*/{name}/test_*.py")]
    existing = {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}
    assert len(named) > 40
    assert named <= existing, f"no such tests: {sorted(named - existing)}"


def test_every_file_that_the_document_names_exists() -> None:
    named = set(re.findall(r"`(\w+\.py)`", DOCUMENT)) - {"subjects.py"}
    assert not [name for name in named if not (ROOT / "libs" / "runtime" / name).exists()]


def test_the_document_has_a_row_for_each_default_of_the_framework() -> None:
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", DOCUMENT, re.MULTILINE)] == list(range(1, 22))
