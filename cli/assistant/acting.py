"""Tools that act, only there with --allow-control: ask for a decision, and take risk away by hand."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from cli.assistant.gateway import PATIENCE_S, Call, GatewayApi
from cli.assistant.reading import OneAccount, OneSymbol
from libs.schemas.base import ClientOrderId, Symbol

Why = Annotated[str, Field(min_length=1, max_length=500, description="why, for the audit trail")]
Again = Annotated[
    str | None,
    Field(min_length=1, max_length=200, description="a name of yours for this act: repeated with it, it is done once"),
]
Price = Annotated[Decimal, Field(gt=0, description="in quote currency")]


class ActingTools:
    """Nothing here opens or enlarges anything by itself: a decision that does passes the limits of its account."""

    def __init__(self, api: GatewayApi) -> None:
        self._api = api

    async def generate_decision(
        self,
        call: Call,
        account_id: OneAccount,
        symbols: Annotated[tuple[Symbol, ...] | None, Field(max_length=10, description="of these alone")] = None,
        dry_run: Annotated[bool, Field(description="decide and judge, and trade nothing")] = True,
        wait_seconds: Annotated[float, Field(gt=0, le=120)] = 30.0,
        idempotency_key: Again = None,
    ) -> str:
        """Ask for a decision of an account now. With dry_run (the default) nothing is traded; without, what the limits
        of the account let through is carried out."""
        body = {"account_id": account_id, "symbols": symbols, "dry_run": dry_run, "timeout": wait_seconds}
        patience = wait_seconds + PATIENCE_S
        return await self._api.post(
            call, "decisions", "generate", body=body, again=idempotency_key, patience_s=patience
        )

    async def control_account(
        self,
        call: Call,
        account_id: OneAccount,
        state: Annotated[
            Literal["reducing", "halted", "flatten"],
            Field(description="reducing and halted open nothing new; flatten closes everything"),
        ],
        reason: Why,
        idempotency_key: Again = None,
    ) -> str:
        """Make an account stop opening positions, or close all. The way back (`active`) is a person's, not a tool's."""
        body = {"state": state, "reason": reason}
        return await self._api.post(call, "accounts", account_id, "control", body=body, again=idempotency_key)

    async def close_position(
        self,
        call: Call,
        account_id: OneAccount,
        symbol: OneSymbol,
        reason: Why,
        share: Annotated[Decimal, Field(gt=0, le=1, description="how much of it; 1 is all")] = Decimal(1),
        idempotency_key: Again = None,
    ) -> str:
        """Close a position at market, or a share of it."""
        body = {"share": str(share), "reason": reason}
        return await self._acted(call, account_id, symbol, "close", body, idempotency_key)

    async def move_stop(
        self,
        call: Call,
        account_id: OneAccount,
        symbol: OneSymbol,
        price: Price,
        reason: Why,
        idempotency_key: Again = None,
    ) -> str:
        """Move the stop of a position towards the price. Away from it is refused."""
        body = {"price": str(price), "reason": reason}
        return await self._acted(call, account_id, symbol, "stop", body, idempotency_key)

    async def set_target(
        self,
        call: Call,
        account_id: OneAccount,
        symbol: OneSymbol,
        price: Price,
        reason: Why,
        idempotency_key: Again = None,
    ) -> str:
        """Set the target of a position, in the place of the one that it has."""
        body = {"price": str(price), "reason": reason}
        return await self._acted(call, account_id, symbol, "target", body, idempotency_key)

    async def cancel_entry(
        self,
        call: Call,
        account_id: OneAccount,
        client_order_id: Annotated[ClientOrderId, Field(description="as account_state names it")],
        reason: Why,
        idempotency_key: Again = None,
    ) -> str:
        """Cancel an entry that rests at the venue. Stops and targets are moved, not cancelled."""
        path = "accounts", account_id, "orders", client_order_id, "cancel"
        return await self._api.post(call, *path, body={"reason": reason}, again=idempotency_key)

    async def _acted(
        self, call: Call, account_id: str, symbol: str, act: str, body: Mapping[str, object], again: str | None
    ) -> str:
        return await self._api.post(call, "accounts", account_id, "positions", symbol, act, body=body, again=again)
