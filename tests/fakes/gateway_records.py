"""The read models of the gateway in memory."""

from datetime import datetime
from decimal import Decimal

from libs.analytics.accuracy import JudgedEntries, JudgedEntry
from libs.analytics.experiments import Decided
from libs.analytics.trades import Trade
from libs.analytics.usage import UsageCall
from libs.schemas.analytics import Acknowledgement, Alert, DecisionResult
from libs.schemas.experiment import Experiment
from services.gateway.domain.decision_figures import Counted
from services.gateway.domain.outcomes import EntryFilter
from services.gateway.domain.problems import Away
from services.gateway.domain.records import (
    TERMINAL,
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
    result_of_record,
)


class FakeRecords:
    def __init__(self) -> None:
        self.decisions: dict[str, DecisionRecord] = {}
        self.closed: dict[str, list[TradeRecord]] = {}
        self.asked: HistoryFilter | None = None
        self.away = False

    def _check(self) -> None:
        if self.away:
            raise Away("MongoDB")

    async def status(self, decision_id: str) -> str | None:
        self._check()
        found = self.decisions.get(decision_id)
        return found.status if found else None

    async def decision(self, decision_id: str) -> DecisionRecord | None:
        self._check()
        return self.decisions.get(decision_id)

    async def result(self, decision_id: str, request_id: str) -> DecisionResult | None:
        self._check()
        found = self.decisions.get(decision_id)
        return result_of_record(found, request_id) if found and found.status in TERMINAL else None

    async def knows(self, account_id: str) -> bool:
        self._check()
        return any(record.account_id == account_id for record in self.decisions.values())

    async def trades(self, account_id: str, window: Window) -> list[TradeRecord]:
        self._check()
        own = sorted(self.closed.get(account_id, []), key=lambda one: (one.closed_at, one.trade_id), reverse=True)
        if window.after is not None:
            own = [one for one in own if (one.closed_at, one.trade_id) < (window.after.at, window.after.id)]
        return own[: window.limit]

    async def history(self, wanted: HistoryFilter, window: Window) -> Found[HistoryEntry]:
        self._check()
        self.asked = wanted
        newest = sorted(self.decisions.values(), key=lambda r: (r.created_at, r.decision_id), reverse=True)
        seen = [r for r in newest if wanted.accounts is None or r.account_id in wanted.accounts]
        if window.after is not None:
            place = (window.after.at, window.after.id)
            seen = [r for r in seen if (r.created_at, r.decision_id) < place]
        return Found([HistoryEntry.model_validate(r.model_dump()) for r in seen[: window.limit]])

    async def orders(self, account_id: str, window: Window) -> list[OrderRecord]:
        return [order for record in self.decisions.values() for order in record.orders][: window.limit]

    async def equity(
        self, account_id: str, since: datetime | None, until: datetime | None, window: Window
    ) -> list[tuple[str, EquityPoint]]:
        return []


class FakeAnalytics:
    def __init__(self) -> None:
        self.rows: list[Trade] = []
        self.raised: dict[str, Alert] = {}
        self.changes: list[AuditEntry] = []
        self.made: list[UsageCall] = []
        self.counted_of: frozenset[str] | None = None
        self.ended = Counted(ended=[], times=[], requests=0, answered={})

    async def trades(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None = None
    ) -> list[Trade]:
        return [
            row
            for row in self.rows
            if since <= row.closed_at < until
            and (accounts is None or row.account_id in accounts)
            and strategy_id in (None, row.strategy_id)
        ]

    async def opening_equity(self, account_id: str, at: datetime) -> Decimal | None:
        return None

    async def model_cost(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None
    ) -> float | None:
        return None

    async def alerts(self, accounts: frozenset[str] | None, open_only: bool, window: Window) -> list[Alert]:
        seen = [one for one in self.raised.values() if accounts is None or one.account_id in accounts]
        return [one for one in seen if not (open_only and one.acknowledged)][: window.limit]

    async def alert(self, alert_id: str) -> Alert | None:
        return self.raised.get(alert_id)

    async def acknowledge(self, alert_id: str, by: str, at: datetime) -> Alert | None:
        found = self.raised.get(alert_id)
        if found is not None and found.acknowledged is None:
            self.raised[alert_id] = found.model_copy(update={"acknowledged": Acknowledgement(by=by, at=at)})
        return self.raised.get(alert_id)

    async def audit(self, wanted: AuditFilter, window: Window) -> list[AuditEntry]:
        seen = [one for one in self.changes if wanted.subjects is None or one.subject in wanted.subjects]
        seen = [one for one in seen if wanted.who in (None, one.who) and wanted.kind in (None, one.kind)]
        seen = [one for one in seen if wanted.since is None or one.at >= wanted.since]
        return [one for one in seen if wanted.until is None or one.at < wanted.until][: window.limit]

    async def calls(self, since: datetime, accounts: frozenset[str] | None, model: str | None) -> list[UsageCall]:
        of = [call for call in self.made if call.at >= since and model in (None, call.model)]
        return [call for call in of if accounts is None or call.account_id in accounts]

    async def counted(self, since: datetime, until: datetime, accounts: frozenset[str] | None) -> Counted:
        self.counted_of = accounts
        return self.ended


class FakeOutcomes:
    """Entries by account."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, JudgedEntry]] = []
        self.arms: list[Decided] = []
        self.asked: EntryFilter | None = None
        self.cut_at: datetime | None = None

    async def entries(self, wanted: EntryFilter) -> JudgedEntries:
        self.asked = wanted
        seen = [entry for account_id, entry in self.rows if wanted.accounts is None or account_id in wanted.accounts]
        return JudgedEntries(seen, self.cut_at)

    async def of_arms(self, experiment: Experiment) -> list[Decided]:
        return self.arms
