"""docs/risk.md holds the table of libs/risk/promises.py."""

import re

from libs.risk import promises
from tools.paths import ROOT

FILE = ROOT / "docs" / "risk.md"
TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)


def risk_doc() -> str:
    """docs/risk.md with the table of what enforces each field as the code has it."""
    return TABLE.sub(lambda _: promises.table(), FILE.read_text())


def check_risk_doc() -> list[str]:
    if FILE.read_text() == risk_doc():
        return []
    return ["docs/risk.md differs from libs/risk/promises.py: run `python -m tools.checks --write`"]


def write() -> None:
    FILE.write_text(risk_doc())
