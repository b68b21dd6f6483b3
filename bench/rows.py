"""What is made of rows: medians of several runs, values as on the machine of the committed figures, and what got worse.

A row is a mapping: name, value, unit, goal (or None), met, reference; `same_run` where value and goal are of one run,
so that the machine is in both; `less` where less of a rate is better; `factor` is added here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
FIGURES = Path(__file__).parent / "figures.json"
WORSE = 1 / 3
TIMES = frozenset({"s", "ms", "µs"})


@dataclass(frozen=True, slots=True)
class Figures:
    """The committed ones: what the fixed work took on their machine, and the value of each row there."""

    machine: str
    reference_ms: float | None
    values: Mapping[str, float]

    @classmethod
    def read(cls, path: Path = FIGURES) -> "Figures":
        kept = json.loads(path.read_text())
        return cls(kept["machine"], kept["reference_ms"], kept["values"])

    def write(self, path: Path = FIGURES) -> None:
        kept = {"machine": self.machine, "reference_ms": self.reference_ms, "values": dict(self.values)}
        path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")

    def factor(self, reference_ms: float) -> float:
        """How many times as long as on their machine work takes here."""
        return reference_ms / self.reference_ms if self.reference_ms else 1.0


def in_time(row: Row) -> bool:
    """Whether the machine is in the value."""
    return not row.get("same_run") and (row["unit"] in TIMES or row["unit"].endswith("/s"))


def more_is_better(row: Row) -> bool:
    return bool(row["unit"].endswith("/s")) and not row.get("less")


def normalised(row: Row, factor: float) -> float:
    """The value as it would be on the machine of the figures."""
    if not in_time(row):
        return float(row["value"])
    return float(row["value"] * factor if row["unit"].endswith("/s") else row["value"] / factor)


def judged(row: Row, factor: float) -> Row:
    """With its factor, and met or not by the normalised value where the machine is in it."""
    if not in_time(row):
        return row
    value = normalised(row, factor)
    met = row["met"]
    if row["goal"] is not None:
        met = value >= row["goal"] if more_is_better(row) else value <= row["goal"]
    return row | {"factor": round(factor, 2), "normalised": value, "met": met}


def middle(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """Of each row the run whose value is the median one, with all that was judged of it; of an even number the lower of
    the two."""
    made = []
    for n in range(len(runs[0])):
        rows = sorted((run[n] for run in runs), key=lambda row: float(row["value"]))
        row = rows[(len(rows) - 1) // 2]
        spread = f"; {len(rows)} runs, {rows[0]['value']:,.2f} to {rows[-1]['value']:,.2f}" if len(rows) > 1 else ""
        made.append(row | {"reference": row["reference"] + spread})
    return made


def worse(row: Row, figures: Figures) -> str:
    """That a row got worse by a third, in words; empty where it did not, or where no figure is committed."""
    before = figures.values.get(row["name"])
    value = row.get("normalised", float(row["value"]))
    if not before or not value:
        return ""
    times = before / value if more_is_better(row) else value / before
    return f"WORSE than the {before:,.2f} of the committed figures" if times > 1 + WORSE else ""


def line_of(row: Row) -> str:
    """A row for people."""
    verdict = {True: "met", False: "MISSED", None: ""}[row["met"]]
    goal = "" if row["goal"] is None else f"goal {row['goal']:g}"
    factor = f"×{row['factor']:.2f}" if "factor" in row else ""
    return (
        f"{row['name']:<20}{row['value']:>12,.2f} {row['unit']:<10}{factor:<8}{goal:<16}{verdict:<8}{row['reference']}"
    )
