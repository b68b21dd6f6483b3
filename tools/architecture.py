"""ARCHITECTURE.md against the code: its table of the main flow names every durable once, with a handler that exists."""

import re
from collections.abc import Iterator

from libs.schemas.matching import matches
from libs.schemas.subjects import DURABLES, STREAMS
from tools.paths import ROOT

ROW = re.compile(r"^\| `(?P<subject>[^`]+)` \| `(?P<durable>[^`]+)` \| `(?P<file>[^`:]+):(?P<name>\w+)` \|")


def check_architecture() -> list[str]:
    return list(_main_flow((ROOT / "ARCHITECTURE.md").read_text()))


def _main_flow(text: str) -> Iterator[str]:
    rows = [match for line in text.splitlines() if (match := ROW.match(line))]
    named = {row["durable"] for row in rows}
    known = {re.sub(r"-p\d\d$", "-pNN", durable.name) for durable in DURABLES}
    yield from (f"ARCHITECTURE.md does not name the durable {name}" for name in sorted(known - named))
    yield from (f"ARCHITECTURE.md names {name}, which is no durable" for name in sorted(named - known))
    for row in rows:
        path = ROOT / row["file"]
        if not path.exists() or not re.search(rf"def {row['name']}\b", path.read_text()):
            yield f"ARCHITECTURE.md: {row['file']} has no function {row['name']}"
        subject = re.sub(r"<[^>]+>", "x", row["subject"])
        if not any(matches(p, subject) for s in STREAMS for p in s.subjects) and not subject.startswith(
            ("execute", "$")
        ):
            yield f"ARCHITECTURE.md: no stream takes {row['subject']}"
