"""The venue port over ccxt: one adapter for all live venues, what differs is in domain/differences.py."""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from libs.runtime.errors import Unavailable
from libs.schemas.account import MarginMode
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from libs.schemas.venue import MarginTier, VenueSymbol
from services.executor.adapters.ccxt.client import Client, Failed
from services.executor.adapters.ccxt.fills import Fills
from services.executor.adapters.ccxt.stream import UserStream
from services.executor.domain import answers, unified
from services.executor.domain.answers import Meaning
from services.executor.domain.differences import contracts, signed_at
from services.executor.domain.replies import (
    Balances,
    Canceled,
    CancelReply,
    Fees,
    FillReport,
    FundingReport,
    NotSent,
    OrderReport,
    PositionReport,
    Priority,
    Rejected,
    Reply,
    Unknown,
    VenueEvent,
    priority,
)
from services.executor.ports.venues import Submittable, order_of

TIME_IN_FORCE = {"gtc": "GTC", "ioc": "IOC", "post_only": "GTX"}
MAX_SKEW_S = 0.5  # what the measured difference of the clocks may be wrong by
COUNTDOWN_MS = 60_000


class CcxtVenue:
    """The orders of one account. `open` before anything else; `close` at the end."""

    def __init__(self, client: Client, margin_mode: MarginMode = "isolated", currency: str = "USDT") -> None:
        self._client = client
        self._venue = client.venue
        self._margin_mode = margin_mode
        self._currency = currency
        self._turns = itertools.count()
        self._ready: dict[str, Decimal] = {}
        self._conditional: dict[str, None] = {}
        self._fills = Fills(client)

    async def open(self) -> None:
        """Markets, and the difference of the clocks. Raises Unavailable."""
        await self._client.load()
        await self._client.sync()

    async def close(self) -> None:
        await self._client.close()

    async def submit(self, order: Submittable, checked_at: datetime | None = None) -> Reply:
        """Send one order, once; nothing here sends it again."""
        working = order_of(order)
        intent = working.intent
        try:
            self._client.market(intent.symbol)
            if not intent.reduce_only and (refused := await self._prepare(intent, working.leverage)) is not None:
                return refused
        except Unavailable as error:
            return NotSent(intent.client_order_id, answers.RETRY_S, str(error))
        return await self._send(intent, checked_at or self._client.clock.wall())

    async def submit_all(self, orders: Sequence[Submittable], checked_at: datetime | None = None) -> Sequence[Reply]:
        return [await self.submit(order, checked_at) for order in orders]

    async def _send(self, intent: OrderIntent, checked_at: datetime) -> Reply:
        conditional = intent.type in ("stop_market", "take_profit_market")
        if conditional:
            self._conditional[intent.client_order_id] = None
        kind = "limit" if intent.type == "limit" else "market"
        size = self._client.size(self._client.market(intent.symbol))
        quantity = float(contracts(self._venue, intent.quantity, size))
        price = float(intent.price) if intent.price is not None and kind == "limit" else None
        params = self._order_params(intent) | self._signed(checked_at)
        name = self._client.symbol(intent.symbol)
        try:
            body = await self._client.call(
                priority(intent.leg), "create_order", name, kind, intent.side, quantity, price, params
            )
        except Failed as failed:
            return self._refused(failed, intent.client_order_id, checked_at)
        report = unified.order_report(self._venue, body, size)
        if report is None or report.venue_order_id is None:  # an answer that names no order says nothing about ours
            settled = answers.settled_at(self._venue, checked_at, MAX_SKEW_S)
            return Unknown(intent.client_order_id, settled, "the venue's answer names no order")
        self._fills.remember(report.venue_order_id, report.client_order_id)  # its fills are asked for next
        return unified.placed(report)

    def _order_params(self, intent: OrderIntent) -> dict[str, object]:
        params: dict[str, object] = {"clientOrderId": intent.client_order_id, **self._venue.order_params}
        if intent.reduce_only:
            params["reduceOnly"] = self._venue.true
        if intent.type == "limit":
            params["timeInForce"] = TIME_IN_FORCE[intent.time_in_force]
        if intent.type in ("stop_market", "take_profit_market"):
            leg = "stopLossPrice" if intent.type == "stop_market" else "takeProfitPrice"
            params |= {leg: str(intent.stop_price), "workingType": "MARK_PRICE"}
        return params

    def _signed(self, checked_at: datetime) -> dict[str, object]:
        """A process that slept since its lease was checked sends an order that is too old to be taken."""
        at = checked_at + self._client.skew
        return signed_at(self._venue, int(at.timestamp() * 1_000), next(self._turns))

    def _refused(self, failed: Failed, client_order_id: str, checked_at: datetime) -> Reply:
        return answers.reply(self._venue, failed.failure, client_order_id, checked_at, MAX_SKEW_S)

    async def _prepare(self, intent: OrderIntent, leverage: Decimal) -> Rejected | None:
        """Before the first entry of a symbol: leverage and margin mode as the account says, read back."""
        if self._ready.get(intent.symbol) == leverage:
            return None
        try:
            mode = await self.set_margin_mode(intent.symbol, self._margin_mode)
            found = await self.set_leverage(intent.symbol, leverage)
        except Failed as failed:
            said = f"leverage or margin mode cannot be set: {answers.detail(failed.failure)}"
            return Rejected(intent.client_order_id, answers.reason(failed.failure), said)
        if (mode, found) != (self._margin_mode, leverage):
            said = f"the venue has {mode} {found}x, {self._margin_mode} {leverage}x was set"
            return Rejected(intent.client_order_id, OrderReason.VENUE_ERROR, said)
        self._ready[intent.symbol] = leverage
        return None

    async def cancel(
        self, symbol: str, client_order_id: str, reason: OrderReason = OrderReason.DECISION
    ) -> CancelReply:
        """Both kinds of orders are tried where the venue keeps them apart."""
        now, answer = self._client.clock.wall(), Canceled(client_order_id, found=False)
        for params in self._places(client_order_id):
            try:
                name = self._client.symbol(symbol)
                await self._client.call(Priority.CANCEL, "cancel_order", client_order_id, name, params)
                return Canceled(client_order_id)
            except Unavailable as error:
                return NotSent(client_order_id, answers.RETRY_S, str(error))
            except Failed as failed:
                if failed.means is not Meaning.NOT_FOUND:
                    return self._not_canceled(failed, client_order_id, now)
        return answer

    def _not_canceled(self, failed: Failed, client_order_id: str, now: datetime) -> CancelReply:
        reply = self._refused(failed, client_order_id, now)
        if isinstance(reply, Unknown | NotSent):
            return reply
        # Neither gone nor silent: a refusal that nobody foresaw. The order may rest; asking for it settles it.
        return Unknown(client_order_id, now, answers.detail(failed.failure))

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """None where the venue does not know the id (now: a request on its way may still arrive)."""
        for params in self._places(client_order_id):
            try:
                name = self._client.symbol(symbol)
                body = await self._client.ask(Priority.RECONCILE, "fetch_order", client_order_id, name, params)
                return self._report(body)
            except Failed:
                continue
        return None

    def _places(self, client_order_id: str) -> Sequence[dict[str, object]]:
        plain: dict[str, object] = {"clientOrderId": client_order_id}
        if not self._venue.algo_conditionals:
            return [plain]
        both = [plain, {"clientOrderId": client_order_id, "trigger": True}]
        return both[::-1] if client_order_id in self._conditional else both

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        name = None if symbol is None else self._client.symbol(symbol)
        kinds: list[dict[str, object]] = [{}, {"trigger": True}] if self._venue.algo_conditionals else [{}]
        found = []
        for params in kinds:
            rows = await self._client.ask(Priority.RECONCILE, "fetch_open_orders", name, None, None, params)
            reports = [report for row in rows if (report := self._report(row)) is not None]
            if params:
                self._conditional |= dict.fromkeys(report.client_order_id for report in reports)
            found += reports
        return found

    def _report(self, body: Mapping[str, Any]) -> OrderReport | None:
        return unified.order_report(self._venue, body, self._client.size(body))

    async def positions(self) -> Sequence[PositionReport]:
        rows = await self._client.ask(Priority.RECONCILE, "fetch_positions")
        return [
            r for row in rows if (r := unified.position_report(self._venue, row, self._client.size(row))) is not None
        ]

    async def balances(self) -> Balances:
        return unified.balances(await self._client.ask(Priority.RECONCILE, "fetch_balance"), self._currency)

    async def set_leverage(self, symbol: str, leverage: Decimal) -> Decimal:
        if leverage != leverage.to_integral_value():
            leverage = leverage.to_integral_value(rounding="ROUND_FLOOR")
        name = self._client.symbol(symbol)
        await self._change("set_leverage", int(leverage), name)
        body = await self._client.ask(Priority.ENTRY, "fetch_leverage", name)
        return unified.amount(body.get("longLeverage"))

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> MarginMode:
        name = self._client.symbol(symbol)
        await self._change("set_margin_mode", mode, name)
        return unified.margin_mode(await self._client.ask(Priority.ENTRY, "fetch_margin_mode", name))

    async def _change(self, method: str, *args: object) -> None:
        """Setting what is set already is no error. A silence raises Unavailable, a refusal Failed."""
        try:
            await self._client.call(Priority.ENTRY, method, *args)
        except Failed as failed:
            if failed.means is Meaning.UNCHANGED:
                return
            if failed.means is Meaning.REJECTED:
                raise
            raise Unavailable(f"{self._venue.name}: {method}: {failed}") from None

    async def filters(self, symbol: str) -> VenueSymbol | None:
        """None where the venue does not list the symbol as a linear perpetual, or trades it no more."""
        try:
            market = self._client.market(symbol)
        except Unavailable:
            return None
        fees, tiers = await self.fees(symbol), await self.tiers(symbol)
        try:
            return unified.venue_symbol(self._venue, symbol, market, self._client.size(market), fees, tiers)
        except ValidationError as error:
            said = f"{self._venue.name} describes {symbol} in a way that is not understood: {error}"
            raise Unavailable(said) from None

    async def tiers(self, symbol: str) -> tuple[MarginTier, ...]:
        name = self._client.symbol(symbol)
        if self._venue.tiers_unified:
            found = await self._client.ask(Priority.RECONCILE, "fetch_market_leverage_tiers", name)
            return unified.unified_tiers(found)
        raw = await self._client.ask(Priority.RECONCILE, "fapiPrivateGetV3LeverageBracket", {"symbol": symbol})
        rows = raw if isinstance(raw, list) else [raw]
        return next((unified.brackets(row.get("brackets")) for row in rows if row.get("symbol") == symbol), ())

    async def fees(self, symbol: str) -> Fees:
        return unified.fees(
            await self._client.ask(Priority.RECONCILE, "fetch_trading_fee", self._client.symbol(symbol))
        )

    async def funding(self, symbol: str) -> FundingReport | None:
        name = self._client.symbol(symbol)
        return unified.funding_report(symbol, await self._client.ask(Priority.RECONCILE, "fetch_funding_rate", name))

    async def server_time(self) -> datetime:
        return await self._client.server_time()

    async def can_withdraw(self) -> bool | None:
        """Whether the key may take money out; None where the venue does not tell (a wallet's key always may)."""
        if not self._venue.withdraw_flag:
            return None
        body = await self._client.ask(Priority.RECONCILE, "sapiGetAccountApiRestrictions")
        return unified.true(body.get("enableWithdrawals"))

    async def arm(self, symbol: str, countdown_ms: int = COUNTDOWN_MS) -> bool:
        """The dead-man switch: the venue cancels all orders of the symbol unless this is called again in time.

        It cancels stops too, so it is armed only while the symbol has no position, and disarmed as soon as it has one.
        """
        if self._venue.countdown is None:
            return False
        flat = all(position.symbol != symbol for position in await self.positions())
        body = {"symbol": self._client.market(symbol)["id"], "countdownTime": countdown_ms if flat else 0}
        await self._client.ask(Priority.PROTECT, self._venue.countdown, body)
        return flat

    def stream(self) -> AsyncIterator[VenueEvent]:
        """By the user stream; by questions while it is away."""
        return UserStream(self._client, self, self._fills).events()

    @property
    def validity_s(self) -> float:
        return self._venue.validity_ms / 1_000 + MAX_SKEW_S

    async def fills(self, symbol: str, since: datetime) -> Sequence[FillReport]:
        return await self._fills.since(symbol, since)
