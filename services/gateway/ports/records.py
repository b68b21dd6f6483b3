"""The read models that the ledger writes, as the gateway reads them."""

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from libs.analytics.accuracy import JudgedEntries
from libs.analytics.experiments import Decided
from libs.analytics.trades import Trade
from libs.analytics.usage import UsageCall
from libs.schemas.analytics import Alert, DecisionResult
from libs.schemas.experiment import Experiment
from services.gateway.domain.decision_figures import Counted
from services.gateway.domain.outcomes import EntryFilter
from services.gateway.domain.records import (
    AuditEntry,
    AuditFilter,
    DecisionRecord,
    EquityPoint,
    Found,
    HistoryEntry,
    HistoryFilter,
    OrderRecord,
    TradeRecord,
    Window,
)


class Records(Protocol):
    async def status(self, decision_id: str) -> str | None:
        """Status of a decision, `pending` for one that was only asked for; None for an unknown one."""

    async def result(self, decision_id: str, request_id: str) -> DecisionResult | None:
        """What a request is answered with, in one look; None where its decision has not ended."""

    async def decision(self, decision_id: str) -> DecisionRecord | None:
        """The record; for a request that another decision answered, the record of that one."""

    async def history(self, wanted: HistoryFilter, window: Window) -> Found[HistoryEntry]:
        """Newest first. Of filters that no index has together not more than a bounded part is looked at."""

    async def knows(self, account_id: str) -> bool:
        """Whether anything was ever decided for the account."""

    async def trades(self, account_id: str, window: Window) -> list[TradeRecord]:
        """Closed ones, by the time of their end."""

    async def orders(self, account_id: str, window: Window) -> list[OrderRecord]: ...

    async def equity(
        self, account_id: str, since: datetime | None, until: datetime | None, window: Window
    ) -> list[tuple[str, EquityPoint]]:
        """Points with their ids."""


class Analytics(Protocol):
    async def trades(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None = None
    ) -> list[Trade]:
        """Trades closed in the period; `accounts` None means all."""

    async def opening_equity(self, account_id: str, at: datetime) -> Decimal | None:
        """Equity at market time `at` as last known before it, else the first known after it."""

    async def model_cost(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None
    ) -> float | None:
        """Dollars that decisions of the period cost as far as known; None where nothing is."""

    async def alerts(self, accounts: frozenset[str] | None, open_only: bool, window: Window) -> list[Alert]:
        """Newest first. A key for certain accounts sees theirs alone."""

    async def alert(self, alert_id: str) -> Alert | None: ...

    async def acknowledge(self, alert_id: str, by: str, at: datetime) -> Alert | None:
        """The alert with who acknowledged it first."""

    async def audit(self, wanted: AuditFilter, window: Window) -> list[AuditEntry]:
        """Newest first."""

    async def calls(self, since: datetime, accounts: frozenset[str] | None, model: str | None) -> list[UsageCall]:
        """Calls of models by decisions since a market time."""

    async def counted(self, since: datetime, until: datetime, accounts: frozenset[str] | None) -> Counted:
        """The decisions of a period, counted."""


class Outcomes(Protocol):
    """What became of decisions, as the ledger follows it."""

    async def entries(self, wanted: EntryFilter) -> JudgedEntries:
        """Those of the newest decisions that count: of no shadow arm, and of no dry run."""

    async def of_arms(self, experiment: Experiment) -> list[Decided]: ...
