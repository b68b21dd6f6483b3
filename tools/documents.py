"""The documents that a project has are there, the glossary is in order, and what they point to exists."""

import re
from collections.abc import Callable
from itertools import pairwise

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
GUIDES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")
CODED = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/(?:[\w-]+\.(?:py|md|toml|yaml|json|j2|ini))?)(?::\w+)?`")
LINKED = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
ENTRY = re.compile(r"^\*\*(?P<word>[^*]+)\*\*: \S.*\.$")


def check_documents() -> list[str]:
    """Asked before all others, which read some of them."""
    return [f"{name} is missing" for name in WANTED if not (ROOT / name).is_file()]


def check_paths() -> list[str]:
    """Every path in backquotes and every link of the guides leads somewhere."""
    return [
        f"{name}: {path} does not exist"
        for name in GUIDES
        for path in missing_paths((ROOT / name).read_text(), lambda path: (ROOT / path).exists())
    ]


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
