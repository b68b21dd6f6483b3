"""Counts of a run, from the events on the bus."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TERMINAL = ("validated", "rejected", "answered", "evaluated")


@dataclass(slots=True)
class Counts:
    """What happened in one run. `decisions` are terminal events of the live arm; accepted and denied count assets."""

    ticks: int = 0
    contexts: int = 0
    decisions: int = 0
    accepted: int = 0
    denied: int = 0
    abstained: int = 0
    orders: int = 0
    fills: int = 0
    dead_letters: int = 0

    def add(self, subject: str, body: Mapping[str, Any]) -> None:
        """Count one event of DECISIONS, ORDERS or DEAD by its subject."""
        noun, _, rest = subject.partition(".")
        kind = rest.partition(".")[0]
        if noun == "dead":
            self.dead_letters += 1
        elif noun == "order":
            self.orders += kind == "placed"
            self.fills += kind == "filled"
        elif noun == "decision" and kind in TERMINAL and is_live(body):
            self._add_decision(body)

    def _add_decision(self, body: Mapping[str, Any]) -> None:
        self.decisions += 1
        self.abstained += body.get("reason") == "abstained"
        for verdict in body.get("verdicts", ()):
            self.accepted += verdict["verdict"] in ("accepted", "clamped") and verdict["action"] != "hold"
            self.denied += verdict["verdict"] == "denied"


def is_live(body: Mapping[str, Any]) -> bool:
    """Whether a decision event is of the live arm (an answer names no arm: only live requests are answered)."""
    return not (body.get("arm") or {}).get("shadow", False)
