"""The documents that a project has are there, the glossary is in order, and what they point to exists."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from tools.paths import ROOT

WANTED = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE",
    ".editorconfig",
    "docs/glossary.md",
)
GUIDES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md")
# Folders that are made at run time, and files of ccxt.
ELSEWHERE = frozenset({".perpetua/", ".tools/", "dist/sbom/", "mutants/", "async_support/aster.py", "pro/aster.py"})
CODED = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/(?:[\w-]+\.(?:py|md|toml|yaml|json|j2|ini))?)(?::\w+)?`")
LINKED = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
ENTRY = re.compile(r"^\*\*(?P<word>[^*]+)\*\*: \S.*\.$")


def check_documents() -> list[str]:
    """Asked before all others, which read some of them."""
    return [f"{name} is missing" for name in WANTED if not (ROOT / name).is_file()]


def check_paths() -> list[str]:
    """Every path in backquotes and every link of the guides leads somewhere. Decisions may name what is gone."""
    guides = [path for pattern in GUIDES for path in sorted(ROOT.glob(pattern))]
    return [f"{guide.relative_to(ROOT)}: {path} does not exist" for guide in guides for path in _missing(guide)]


def _missing(guide: Path) -> list[str]:
    def exists(path: str) -> bool:
        return path in ELSEWHERE or (ROOT / path).exists() or (guide.parent / path).exists()

    return missing_paths(guide.read_text(), exists)


def missing_paths(text: str, exists: Callable[[str], bool]) -> list[str]:
    """Paths that `text` names as `room/file.py`, `room/` or [a link](docs/file.md) and that are not there."""
    return [path for path in sorted({*CODED.findall(text), *LINKED.findall(text)}) if not exists(path)]


def check_glossary() -> list[str]:
    return [f"docs/glossary.md: {line}" for line in disorder((ROOT / "docs/glossary.md").read_text())]


def disorder(text: str) -> list[str]:
    """What is wrong with a glossary: entries are `**word**: one sentence or more.`, on one line, sorted, each once."""
    body = [line for line in text.splitlines()[1:] if line.startswith("**")]
    entries = [match for line in body if (match := ENTRY.match(line))]
    words = [entry["word"] for entry in entries]
    return [
        *(f"not an entry: {line[:60]}" for line in body if not ENTRY.match(line)),
        *(f"{word} stands twice" for word in sorted(set(words)) if words.count(word) > 1),
        *(f"{after} stands after {before}" for before, after in pairwise(words) if after < before),
    ]
