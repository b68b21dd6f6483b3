"""An act by hand from this machine: published, then watched until the account has carried it out or refused it."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cli.ask.configuring import by
from cli.ask.controls import LOOK_S, PATIENCE_S
from cli.connection import connected
from cli.errors import CliError
from libs.configuration.acts import act_requested, carried_through, meant, outcome_of, pinned
from libs.configuration.mirror import ConfigMirror, StateMirror
from libs.runtime.bus import Bus
from libs.runtime.errors import Unavailable
from libs.schemas.account import AccountState
from libs.schemas.acts import Act, ActOutcome, CancelAct
from libs.schemas.names import Key, is_key

REFUSED, UNDER_WAY = 3, 4  # exit codes
SEE = "`perpetua account list` shows the accounts; the API has their positions and orders"


@dataclass(frozen=True, slots=True)
class ActTold:
    """What came of an act; `outcome` None where the account has not come to it in time."""

    control_id: str
    account_id: str
    act: Act
    outcome: ActOutcome | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        ended = self.outcome.model_dump(mode="json") if self.outcome else {"result": "pending"}
        return {
            "control_id": self.control_id,
            "account_id": self.account_id,
            "act": self.act.model_dump(mode="json"),
            "seconds": round(self.seconds, 3),
            **{name: ended.get(name) for name in ("result", "reason", "message", "orders")},
        }


@dataclass(frozen=True, slots=True)
class SeenAccounts:
    """What is configured, and the accounts as they are."""

    bus: Bus
    config: ConfigMirror
    states: StateMirror

    def state(self, account_id: str) -> AccountState:
        """CliError for an account that is not there, or was never opened."""
        if not is_key(account_id) or account_id not in self.config.accounts:
            raise CliError(f"there is no account {account_id[:40]}", "`perpetua account list` shows all")
        state = self.states.get(account_id)
        if state is None:
            raise CliError(f"{account_id} has no state yet", "is the executor running? see `perpetua status`")
        return state

    def holder(self, order: str) -> Key:
        """The account that has this working order."""
        for name in self.config.accounts:
            state = self.states.get(name)
            if state and any(working.client_order_id == order for working in state.open_orders):
                return state.account_id
        raise CliError(f"no order {order[:40]} works in any account", "look at the id again; it may be filled or gone")


@asynccontextmanager
async def accounts(url: str) -> AsyncIterator[SeenAccounts]:
    """CliError while NATS is away."""
    async with connected(url) as bus:
        found = SeenAccounts(bus, ConfigMirror(bus), StateMirror(bus))
        try:
            await found.config.start()
            await found.states.start()
            yield found
        except Unavailable as error:
            raise CliError(str(error), "is it running? see `perpetua status`") from error
        finally:
            await found.states.stop()
            await found.config.stop()


async def act_on(url: str, account_id: str, act: Act, why: str) -> ActTold:
    """On a position. CliError where there is none."""
    who = by(why)
    async with accounts(url) as seen:
        state = seen.state(account_id)
        position = meant(act, state)
        if position is None and not isinstance(act, CancelAct):
            raise CliError(f"{account_id} has no open position in {act.symbol}", SEE, REFUSED)
        return await _watched(seen, state.account_id, pinned(act, position), who.who, who.why)


async def cancel(url: str, order: str, why: str) -> ActTold:
    """An entry, in whichever account it rests."""
    who = by(why)
    async with accounts(url) as seen:
        return await _watched(seen, seen.holder(order), CancelAct(client_order_id=order), who.who, who.why)


async def _watched(seen: SeenAccounts, account_id: Key, act: Act, who: str, why: str) -> ActTold:
    began, name = time.monotonic(), f"cli-{secrets.token_hex(16)}"
    await seen.bus.publish(act_requested(name, account_id, act, who, why, datetime.now(UTC)))
    while True:
        state = seen.states.get(account_id)
        outcome, passed = outcome_of(name, state), time.monotonic() - began
        if carried_through(outcome, state) or passed > PATIENCE_S:
            return ActTold(name, account_id, act, outcome, passed)
        await asyncio.sleep(LOOK_S)
