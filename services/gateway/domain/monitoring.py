"""The state of the installation as the API shows it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from libs.schemas.account import Account, AccountState
from libs.schemas.worker import WorkerTold
from services.gateway.domain.decision_figures import CacheFigures

SERVICES = ("feed", "context", "decider", "validator", "executor", "ledger", "gateway")
StoreWord = Literal["up", "away", "local"]


class WorkerShown(BaseModel):
    """A worker by its own last word. `not_ready` are the parts of it that hinder it."""

    service: str
    instance: str
    version: str
    ready: bool
    not_ready: list[str]
    started_at: datetime
    heard_at: datetime


class ServiceList(BaseModel):
    """`missing` are services of which no worker was heard within twenty seconds."""

    items: list[WorkerShown]
    missing: list[str]
    all_ready: bool


class DurableLag(BaseModel):
    """A durable consumer: messages that wait for it, that it has in hand, and that came to it again."""

    durable: str
    stream: str
    waiting: int
    in_hand: int
    redelivered: int


class LagList(BaseModel):
    """`most_waiting` counts the durables of services that must run, or do."""

    items: list[DurableLag]
    most_waiting: int


class CacheShown(BaseModel):
    """Over the last 24 hours of market time, on the accounts that this key sees. `deciders` say how their Redis is."""

    figures: CacheFigures
    deciders: dict[str, str]


class StoreShown(BaseModel):
    """`local`: it does not answer, and its work is done by each process for itself."""

    store: str
    state: StoreWord
    version: str | None = None
    without_it: str = Field(description="what is not done while it is away")


class StoreList(BaseModel):
    items: list[StoreShown]


class VersionList(BaseModel):
    """`mixed`: workers of different versions run side by side."""

    workers: dict[str, list[str]]
    servers: dict[str, str]
    mixed: bool


class AccountFigures(BaseModel):
    accounts: int
    by_status: dict[str, int]
    by_trading_state: dict[str, int]
    open_positions: int
    open_orders: int


class SystemSummary(BaseModel):
    """Everything in a few figures: what to look at more closely is elsewhere under /monitoring."""

    market_time: datetime
    market_speed: float
    market_paused: bool
    workers: int
    workers_ready: int
    services_missing: list[str]
    most_waiting: int | None = Field(description="messages behind the log, of the durable that is furthest behind")
    stores: dict[str, StoreWord]
    of_accounts: AccountFigures


WITHOUT = {
    "nats": "nothing is decided, stored or traded; all goes on where it was",
    "mongodb": "nothing new is opened, no history is told; decisions and controls go on",
    "redis": "paid models abstain, no decision is used again; each gateway counts requests alone",
}


def services(workers: Sequence[WorkerTold]) -> ServiceList:
    shown = [
        WorkerShown(
            service=told.service,
            instance=told.instance,
            version=told.version,
            ready=told.ready,
            not_ready=sorted(part for part, well in told.checks.items() if not well),
            started_at=told.started_at,
            heard_at=told.at,
        )
        for told in workers
    ]
    return ServiceList(
        items=shown, missing=missing(workers), all_ready=not missing(workers) and all(one.ready for one in shown)
    )


def missing(workers: Iterable[WorkerTold]) -> list[str]:
    heard = {told.service for told in workers}
    return [service for service in SERVICES if service not in heard]


def most_waiting(items: Iterable[DurableLag], workers: Iterable[WorkerTold]) -> int:
    """Of the durable that is furthest behind. What is for a service that may be left out, and is, waits for nobody."""
    at_work = {*SERVICES, *(told.service for told in workers)}
    return max((item.waiting for item in items if item.durable.partition("-")[0] in at_work), default=0)


def stores(checks: Mapping[str, bool], *, rates_shared: bool, versions: Mapping[str, str]) -> StoreList:
    states: dict[str, StoreWord] = {
        "nats": "up" if checks.get("nats") and checks.get("keys", True) else "away",
        "mongodb": "up" if checks.get("mongodb") else "away",
        "redis": "up" if rates_shared else "local",
    }
    return StoreList(
        items=[
            StoreShown(store=name, state=state, version=versions.get(name), without_it=WITHOUT[name])
            for name, state in states.items()
        ]
    )


def versions(workers: Iterable[WorkerTold], servers: Mapping[str, str]) -> VersionList:
    found: dict[str, set[str]] = {}
    for told in workers:
        found.setdefault(told.service, set()).add(told.version)
    shown = {service: sorted(names) for service, names in sorted(found.items())}
    return VersionList(
        workers=shown, servers=dict(servers), mixed=len({name for names in shown.values() for name in names}) > 1
    )


def account_figures(accounts: Sequence[Account], states: Iterable[AccountState | None]) -> AccountFigures:
    known = [state for state in states if state is not None]
    return AccountFigures(
        accounts=len(accounts),
        by_status=_counted(account.status for account in accounts),
        by_trading_state=_counted(state.trading_state for state in known),
        open_positions=sum(len(state.positions) for state in known),
        open_orders=sum(len(state.open_orders) for state in known),
    )


def redis_words(workers: Iterable[WorkerTold]) -> dict[str, str]:
    return {told.instance: str(told.details["redis"]) for told in workers if "redis" in told.details}


def _counted(words: Iterable[str]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for word in words:
        sums[word] = sums.get(word, 0) + 1
    return dict(sorted(sums.items()))
