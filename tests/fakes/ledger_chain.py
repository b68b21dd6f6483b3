"""One decision from its request to its fills, as messages with their subjects, for readers of the log."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.schemas import ids, subjects
from libs.schemas.base import Message
from libs.schemas.context import (
    DecisionRequest,
    TradingContext,
    Trigger,
)
from libs.schemas.decision import (
    DecisionProposed,
    Facts,
    ModelCall,
    StrategyRef,
    Timing,
    TradingDecision,
)
from libs.schemas.names import key_of
from libs.schemas.orders import Fill, OrderEvent, OrderIntent, PositionEvent
from libs.schemas.reasons import OrderReason, Reason, RejectReason
from libs.schemas.verdict import AssetVerdict, DecisionRejected, DecisionValidated, Instruction, Receipt
from tests import builders
from tests.fakes.ledger_context import context_of

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SYSTEM_PROMPT = "You manage a portfolio of perpetual futures."


def later(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Chain:
    """Messages of one request of one account. Two fills of one order, in two account versions."""

    account: str = "alpha"
    request_id: str = "req-1"
    symbol: str = "BTCUSDT"
    start: datetime = T0
    dry_run: bool = False

    @property
    def cycle(self) -> str:
        return ids.request_cycle(self.request_id)

    @property
    def context_id(self) -> str:
        return ids.context_id(self.account, self.cycle)

    @property
    def decision_id(self) -> str:
        return ids.decision_id(self.context_id, "live")

    @property
    def order_id(self) -> str:
        return ids.client_order_id(self.account, self.decision_id, self.symbol, "entry", 0)

    def at(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    def request(self) -> DecisionRequest:
        return builders.request(
            self.request_id,
            account_id=self.account,
            trigger=Trigger(kind="api", detail="a test"),
            dry_run=self.dry_run,
            requested_by="key-test",
            requested_at=self.at(0),
        )

    def context(self) -> TradingContext:
        return context_of(self)

    def decision(self) -> TradingDecision:
        asset = builders.row(
            self.symbol,
            "buy",
            allocation_usd=500,
            sl_price=59_000,
            exit_plan="stop below the range",
            rationale="it rises",
            risk_level="low",
        )
        return builders.decision(asset, portfolio_rationale="one entry", portfolio_risk_level="low")

    def facts(self, seconds: float) -> Facts:
        return builders.facts(as_of=self.at(seconds))

    def calls(self) -> tuple[ModelCall, ...]:
        first = ModelCall(
            model_requested="builtin/rules",
            provider="builtin",
            prompt_version="1",
            prompt_sha256="0" * 64,
            system_prompt=SYSTEM_PROMPT,
            user_prompt=f"context of {self.request_id}",
            raw_response="not json",
            cost_usd=0.002,
            cost_source="catalogue",
            latency_ms=20,
            attempt=1,
            outcome="invalid",
        )
        good = {"attempt": 2, "outcome": "ok", "model_answered": "builtin/rules-2", "raw_response": "{}"}
        return (first, first.model_copy(update=good))

    def proposed(self) -> DecisionProposed:
        return builders.proposal(
            decision_id=self.decision_id,
            context_id=self.context_id,
            request_id=self.request_id,
            account_id=self.account,
            decision=self.decision(),
            calls=self.calls(),
            symbols=(self.symbol,),
            facts=self.facts(0.1),
            strategy=StrategyRef(id="steady", version=1),
            dry_run=self.dry_run,
            proposed_at=self.at(0.2),
            expires_at=self.at(60),
            timing=Timing(context=3.5, model=40),
        )

    def verdict(self) -> AssetVerdict:
        final = Instruction(asset=self.symbol, action="buy", side="buy", quantity=Decimal("0.02"), type="market")
        receipt = Receipt(
            rule="stop_required", severity="warning", reason=Reason.STOP_DEFAULTED, message="the stop was set by rule"
        )
        return AssetVerdict(asset=self.symbol, verdict="accepted", action="buy", final=final, receipts=(receipt,))

    def validated(self) -> DecisionValidated:
        return builders.validated(
            self.decision_id,
            context_id=self.context_id,
            request_id=self.request_id,
            account_id=self.account,
            dry_run=self.dry_run,
            correlation_id=self.request_id,
            expires_at=self.at(60),
            decision=self.decision(),
            facts=self.facts(0.3),
            strategy=StrategyRef(id="steady", version=1),
            verdicts=(self.verdict(),),
            rules_checked=21,
            validation_time_ms=0.7,
            prices_at_validation={self.symbol: 60_000.0},
            validated_at=self.at(0.3),
            status="accepted",
        )

    def rejected(self, reason: RejectReason = RejectReason.DEAD_LETTERED, seconds: float = 0.4) -> DecisionRejected:
        return DecisionRejected(
            decision_id=self.decision_id,
            request_id=self.request_id,
            account_id=self.account,
            context_id=self.context_id,
            correlation_id=self.request_id,
            reason=reason,
            detail="eight deliveries",
            rejected_at=self.at(seconds),
        )

    def intent(self, state: str, **changes: Any) -> OrderIntent:
        values: dict[str, Any] = {
            "client_order_id": self.order_id,
            "decision_id": self.decision_id,
            "account_id": self.account,
            "symbol": self.symbol,
            "quantity": Decimal("0.02"),
            "state": state,
        }
        return builders.intent(**(values | changes))

    def order(self, n: int, kind: str, version: int, state: str, fill: Fill | None = None) -> OrderEvent:
        return OrderEvent.model_validate(
            {
                "event_id": f"{self.order_id}:{n}",
                "kind": kind,
                "account_id": self.account,
                "account_version": version,
                "intent": self.intent(state),
                "fill": fill,
                "reason": OrderReason.DECISION,
                "decision_id": self.decision_id,
                "correlation_id": self.request_id,
                "at": self.at(0.4 + n / 100),
            }
        )

    def fill(self, n: int, price: str, quantity: str) -> Fill:
        of_order = ids.fill_id(self.order_id, n)
        return builders.fill(of_order, price=Decimal(price), quantity=Decimal(quantity), fee=Decimal("0.3"))

    def orders(self) -> tuple[OrderEvent, ...]:
        return (
            self.order(0, "placed", 1, "open"),
            self.order(1, "filled", 2, "partially_filled", self.fill(0, "60000", "0.005")),
            self.order(2, "filled", 3, "filled", self.fill(1, "60010", "0.015")),
        )

    def position(self, n: int, version: int, quantity: str, equity: str) -> PositionEvent:
        after = builders.position(
            self.symbol,
            quantity=Decimal(quantity),
            entry_price=Decimal(60000),
            margin=Decimal(600),
            opened_at=self.at(0.41),
            decision_id=self.decision_id,
        )
        return builders.position_event(
            "opened" if n == 0 else "changed",
            event_id=f"pos-{self.request_id}-{n}",
            account_id=self.account,
            account_version=version,
            symbol=self.symbol,
            after=after,
            client_order_id=self.order_id,
            fee=Decimal("0.3"),
            wallet_balance=Decimal("9999.7"),
            equity=Decimal(equity),
            decision_id=self.decision_id,
            correlation_id=self.request_id,
            at=self.at(0.41),
        )

    def positions(self) -> tuple[PositionEvent, ...]:
        """Two changes at one market time: the second is the account's newer version."""
        return (self.position(0, 2, "0.005", "9999.1"), self.position(1, 3, "0.02", "9998.2"))

    def messages(self) -> list[tuple[str, Message]]:
        """All messages with their subjects, in the order in which they come into being."""
        account = self.account
        orders = [(subjects.order_event(order.kind, key_of(account)), order) for order in self.orders()]
        positions = [(subjects.position_event(event.kind, key_of(account)), event) for event in self.positions()]
        return [
            (subjects.decision_requested(key_of(account)), self.request()),
            (subjects.context_built(key_of(account)), self.context()),
            (subjects.decision_proposed(key_of(account)), self.proposed()),
            (subjects.decision_validated(key_of(account)), self.validated()),
            *orders,
            *positions,
        ]
