"""The notifier's ports in memory, and values that it works on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from libs.runtime.delivered import Delivered
from libs.schemas.analytics import Alert
from libs.schemas.names import Key, key_of
from libs.schemas.notices import Notice
from services.notifier.domain.routes import NoticeRoute, parse
from services.notifier.domain.texts import notice_of
from services.notifier.metrics import NotifierMetrics
from services.notifier.ports import Deps, Undelivered
from tests.fakes.clock import START, FakeClock

DESK = key_of("desk")


def alert(n: int = 1, **changes: Any) -> Alert:
    values: dict[str, Any] = {
        "alert_id": f"alert-{n}",
        "account_id": "main",
        "kind": "drawdown_limit",
        "severity": "warning",
        "message": f"alert number {n}",
        "created_at": START + timedelta(seconds=n),
    }
    return Alert(**(values | changes))


def notice(n: int = 1, route: Key = DESK, **changes: Any) -> Notice:
    made = notice_of(alert(n, **changes), route)
    assert made is not None
    return made


def route(**fields: Any) -> NoticeRoute:
    return parse({"routes": {"desk": {"webhook": "https://desk.example"} | fields}})[DESK]


def phone(**fields: Any) -> NoticeRoute:
    return parse({"routes": {"desk": {"apprise": "json://phone.example"} | fields}})[DESK]


def delivery(deliveries: int = 1, stored: datetime = START) -> Delivered:
    ns = int(stored.timestamp()) * 1_000_000_000
    return Delivered("NOTICES", "notifier-notices", 1, deliveries, ns, "notice.requested.desk", {})


@dataclass
class FakeSender:
    """Takes what it is given, unless it was told to refuse; both as a sender and as the teller of a route."""

    refusals: list[Undelivered] = field(default_factory=list)
    sent: list[tuple[Notice, ...]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, notices: Sequence[Notice]) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.sent.append(tuple(notices))
        self.changed.set()

    async def tell(self, notice: Notice) -> None:
        await self.send((notice,))


@dataclass
class NotifierWorld:
    """A notifier with one route, `desk`."""

    route: NoticeRoute = field(default_factory=route)
    sender: FakeSender = field(default_factory=FakeSender)
    clock: FakeClock = field(default_factory=FakeClock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.deps = Deps(
            routes={DESK: self.route},
            tellers={DESK: self.sender},
            clock=self.clock,
            meter=NotifierMetrics(self.registry),
        )

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"perpetua_notifier_{name}_total", labels) or 0.0
