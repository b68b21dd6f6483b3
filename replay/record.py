"""What a run writes of what happens: decisions, events, trades, the equity by the hour."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from libs.schemas.account import AccountState, ClosedTrade
from libs.schemas.context import TradingContext
from libs.schemas.decision import AssetDecision, DecisionProposed, ModelCall
from libs.schemas.verdict import AssetVerdict, DecisionRejected
from replay.deciding import DecidingAccount, End
from replay.judged import WishedEntry
from replay.results import RunFolder
from replay.statistics import HourlyWorth
from replay.world import ReplayWorld
from services.executor.domain.book import equity
from services.executor.domain.changes import Outgoing

DECISIONS, EVENTS, TRADES, EQUITY = "decisions.jsonl", "events.jsonl", "trades.jsonl", "equity.jsonl"
MARKS, CALLS, MESSAGES = "marks.jsonl", "calls.jsonl", "messages.jsonl"
SIGNS = {"buy": 1, "sell": -1}


class Recorder:
    """Writes to a run's folder. With `full` also each context, proposal and end as they would travel on the bus."""

    def __init__(self, folder: RunFolder, *, full: bool = False) -> None:
        self._decisions, self._events = folder.lines(DECISIONS), folder.lines(EVENTS)
        self._trades, self._equity = folder.lines(TRADES), folder.lines(EQUITY)
        self._marks = folder.lines(MARKS)
        self._calls = folder.lines(CALLS)
        self._messages = folder.lines(MESSAGES) if full else None
        self._closed: dict[str, tuple[str, datetime, datetime]] = {}
        self._trigger = ""
        self.counts: Counter[str] = Counter()
        self.points: defaultdict[str, list[HourlyWorth]] = defaultdict(list)
        self.closed: defaultdict[str, list[ClosedTrade]] = defaultdict(list)
        self.prices: defaultdict[str, list[float]] = defaultdict(list)
        self.entries: defaultdict[str, list[WishedEntry]] = defaultdict(list)
        self.costs: defaultdict[str, list[float | None]] = defaultdict(list)

    def context(self, context: TradingContext) -> None:
        self._trigger = context.trigger.kind
        self._whole(context.model_dump_json())

    def proposed(self, proposal: DecisionProposed) -> None:
        self._whole(proposal.model_dump_json())
        for call in proposal.calls:
            self._calls.write(orjson.dumps(_call(proposal, call)))
            self.costs[proposal.account_id].append(call.cost_usd)

    def ended(self, end: End) -> None:
        self._whole(end.model_dump_json())
        self._decisions.write(orjson.dumps(self._told(end)))
        if end.decision is not None:
            self.entries[end.account_id] += _entries(end)
        self.counts["decisions"] += 1

    def account(self, state: AccountState, events: tuple[Outgoing, ...]) -> None:
        for event in events:
            self._events.write(event.body.model_dump_json(exclude_none=True).encode())
            self.counts[event.subject.rpartition(".")[0]] += 1
        self._traded(state)

    def worth(self, world: ReplayWorld, accounts: Sequence[DecidingAccount]) -> None:
        """The equity of each account at the newest marks, and these."""
        for symbol in world.symbols:
            self.prices[symbol].append(float(_mark(world, symbol) or 0))
        self._marks.write(orjson.dumps({symbol: prices[-1] for symbol, prices in self.prices.items()}))
        for deciding in accounts:
            book = deciding.books.book
            marks = {symbol: _mark(world, symbol) for symbol in book.positions}
            worth = equity(book, marks)
            self.points[book.account_id].append(HourlyWorth(world.clock.now(), float(worth), len(book.positions)))
            row = {
                "at": world.clock.now().isoformat(),
                "account_id": book.account_id,
                "wallet": str(book.wallet),
                "equity": str(worth),
                "positions": len(book.positions),
            }
            self._equity.write(orjson.dumps(row))

    def _traded(self, state: AccountState) -> None:
        """The trades that were closed since the newest one that was written."""
        newest, fresh = self._closed.get(state.account_id), list[ClosedTrade]()
        for trade in reversed(state.closed_trades):
            if _position(trade) == newest:
                break
            fresh.append(trade)
        for trade in reversed(fresh):
            row = {"account_id": state.account_id, **orjson.loads(trade.model_dump_json(exclude_none=True))}
            self._trades.write(orjson.dumps(row))
            self.closed[state.account_id].append(trade)
            self._closed[state.account_id] = _position(trade)
            self.counts["trades"] += 1

    def _told(self, end: End) -> dict[str, Any]:
        row: dict[str, Any] = {
            "at": (end.rejected_at if isinstance(end, DecisionRejected) else end.validated_at).isoformat(),
            "account_id": end.account_id,
            "decision_id": end.decision_id,
            "trigger": self._trigger,
            "end": "rejected" if isinstance(end, DecisionRejected) else end.status,
        }
        if isinstance(end, DecisionRejected):
            row |= {"reason": end.reason.value, "detail": end.detail}
        asked = {row.asset: row for row in end.decision.decisions} if end.decision else {}
        actions = [_verdict(verdict, asked.get(verdict.asset)) for verdict in end.verdicts if verdict.action != "hold"]
        if actions:
            row |= {"prices": _prices(end), "verdicts": actions}
            row["rationale"] = end.decision.portfolio_rationale if end.decision else ""
        return row

    def _whole(self, text: str) -> None:
        if self._messages is not None:
            self._messages.write(text.encode())


def _verdict(verdict: AssetVerdict, asked: AssetDecision | None) -> dict[str, Any]:
    reasons = [receipt.reason.value for receipt in verdict.receipts if receipt.severity != "info"]
    row: dict[str, Any] = {"asset": verdict.asset, "action": verdict.action, "verdict": verdict.verdict}
    row["reasons"] = reasons
    if asked is not None:
        row |= {"why": asked.rationale, "confidence": asked.confidence, "asked_usd": asked.allocation_usd}
    if (final := verdict.final) is not None:
        figures = {"notional": final.notional, "leverage": final.leverage, "stop": final.stop, "target": final.target}
        row |= {name: float(value) for name, value in figures.items() if value is not None}
    return row


def _entries(end: End) -> list[WishedEntry]:
    prices = _prices(end)
    at = end.rejected_at if isinstance(end, DecisionRejected) else end.validated_at
    return [
        WishedEntry(end.decision_id, at, row.asset, SIGNS[row.action], prices[row.asset], row.confidence)
        for row in (end.decision.decisions if end.decision else ())
        if row.action in SIGNS and row.asset in prices
    ]


def _prices(end: End) -> dict[str, float]:
    """At which each asset was judged; of a decision that was turned down as a whole, those that it was made on."""
    if not isinstance(end, DecisionRejected):
        return end.prices_at_validation
    return {symbol: asset.mark for symbol, asset in end.facts.assets.items()} if end.facts else {}


def _call(proposal: DecisionProposed, call: ModelCall) -> dict[str, Any]:
    return {
        "decision_id": proposal.decision_id,
        "model": call.model_answered or call.model_requested,
        "system": call.system_prompt,
        "prompt": call.user_prompt,
        "answer": call.raw_response,
        "outcome": call.outcome,
        "cost_usd": call.cost_usd,
        "cached": call.cached,
    }


def _position(trade: ClosedTrade) -> tuple[str, datetime, datetime]:
    """What tells one closed position of an account from another."""
    return trade.symbol, trade.opened_at, trade.closed_at


def _mark(world: ReplayWorld, symbol: str) -> Decimal | None:
    quote = world.board.quote(symbol)
    return quote.mark if quote else None
