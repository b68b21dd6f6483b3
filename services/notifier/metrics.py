"""The notifier's own metrics. Routes are as many as their file has."""

from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter

from libs.schemas.names import Key
from services.notifier.ports import Outcome


class NotifierMetrics:
    def __init__(self, registry: CollectorRegistry, routes: Iterable[Key] = ()) -> None:
        self.notices = Counter(
            "perpetua_notifier_notices",
            "Attempts to tell a receiver, by how they ended",
            ["route", "outcome"],
            registry=registry,
        )
        self.old = Counter("perpetua_notifier_too_old", "Events that were too old to be told", registry=registry)
        self.repeats = Counter(
            "perpetua_notifier_possible_repeats",
            "Notices whose earlier attempt ended with a process: their receiver may have got them twice",
            ["route"],
            registry=registry,
        )
        for route in routes:  # rare ones begin at 0
            self.repeats.labels(route)
            for outcome in get_args(Outcome):
                self.notices.labels(route, outcome)

    def settled(self, route: Key, outcome: Outcome) -> None:
        self.notices.labels(route, outcome).inc()

    def too_old(self) -> None:
        self.old.inc()

    def may_repeat(self, route: Key) -> None:
        self.repeats.labels(route).inc()
