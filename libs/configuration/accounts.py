"""Accounts as configured: made, changed, paused. Command and API alike; refusals are values."""

from collections.abc import Mapping
from dataclasses import replace

from libs.configuration.configuration import (
    By,
    ConfigEntry,
    ConfigRefusal,
    Configuration,
    Refused,
    no_such,
    reserved,
    updated,
)
from libs.configuration.strategies import Strategies
from libs.schemas.account import Account, AccountState, AccountStatus
from libs.schemas.names import is_key, key_of
from libs.schemas.subjects import account_key

# The executor opens an account's book with these: another value needs another account.
FIXED = ("account_id", "initial_balance", "mode", "venue", "margin_mode")
OURS = ("version", "schema_version")


class Accounts:
    """Raises Unavailable while NATS is away."""

    def __init__(self, configuration: Configuration, strategies: Strategies) -> None:
        self._configuration = configuration
        self._strategies = strategies

    async def get(self, account_id: str) -> ConfigEntry[Account] | Refused:
        if not is_key(account_id):
            return no_such("account", account_id)
        return await self._configuration.read(Account, account_key(account_id))

    async def add(self, account: Account, by: By) -> ConfigEntry[Account] | Refused:
        if said := reserved(account.account_id):
            return Refused(ConfigRefusal.INVALID, said, "account_id")
        fit = await self._strategies.fit(account, account.strategy_id, None)
        if isinstance(fit, Refused):
            return fit
        made = await self._configuration.create(account_key(account.account_id), account, by)
        return made if isinstance(made, Refused) else replace(made, warnings=fit)

    async def change(
        self,
        account_id: str,
        fields: Mapping[str, object],
        by: By,
        *,
        state: AccountState | None = None,
        version: int | None = None,
    ) -> ConfigEntry[Account] | Refused:
        """Other limits, symbols, triggers, budgets or another strategy, from the next context on.

        Of two that give it different strategies at once, the second is refused.
        """
        now = await self.get(account_id)
        if isinstance(now, Refused):
            return now
        made = updated(now.body, fields)
        if isinstance(made, Refused):
            return made
        fit = _fixed(now.body, made) or await self._strategies.fit(made, made.strategy_id, state)
        if isinstance(fit, Refused):
            return fit
        written = await self._configuration.change(
            Account,
            account_key(now.body.account_id),
            lambda there: _switched(there, now.body.strategy_id, fields) or updated(there, fields),
            by,
            version=version,
        )
        if isinstance(written, ConfigEntry) and made.strategy_id != now.body.strategy_id:
            written = await self._kept(written, now.body.strategy_id, by)
        return written if isinstance(written, Refused) else replace(written, warnings=fit)

    async def assign(
        self,
        account_id: str,
        strategy_id: str,
        by: By,
        *,
        state: AccountState | None = None,
        version: int | None = None,
    ) -> ConfigEntry[Account] | Refused:
        """Make it the account's one strategy."""
        return await self.change(account_id, {"strategy_id": strategy_id}, by, state=state, version=version)

    async def set_status(
        self, account_id: str, status: AccountStatus, by: By, *, version: int | None = None
    ) -> ConfigEntry[Account] | Refused:
        """A paused account opens nothing new; what is open stays protected and may be closed."""
        return await self._write(account_id, {"status": status}, by, version)

    async def remove(
        self, account_id: str, by: By, *, state: AccountState | None = None, version: int | None = None
    ) -> Refused | None:
        """Take an account away that is stopped and has nothing open; what became of it stays readable."""
        now = await self.get(account_id)
        if isinstance(now, Refused):
            return now
        if version is not None and now.body.version != version:
            said = f"{account_id} is at version {now.body.version}, not {version}: look at it and decide again"
            return Refused(ConfigRefusal.VERSION, said, "version")
        if refusal := _still_trading(now.body, state):
            return refusal
        if await self._configuration.remove(account_key(now.body.account_id), by, now.revision):
            return None
        return Refused(ConfigRefusal.CONTESTED, f"{account_id} was changed at this moment: look at it and decide again")

    async def _write(
        self, account_id: str, fields: Mapping[str, object], by: By, version: int | None
    ) -> ConfigEntry[Account] | Refused:
        return await self._configuration.change(
            Account, account_key(key_of(account_id)), lambda now: updated(now, fields), by, version=version
        )

    async def _kept(self, made: ConfigEntry[Account], before: str, by: By) -> ConfigEntry[Account] | Refused:
        """The assignment, or its undoing where the strategy was deleted at the same moment."""
        gone = await self._strategies.get(made.body.strategy_id)
        if isinstance(gone, ConfigEntry):
            return made
        back = By(by.who, f"undone: {gone.message}")
        await self._write(made.body.account_id, {"strategy_id": before}, back, made.body.version)
        return gone


def _still_trading(account: Account, state: AccountState | None) -> Refused | None:
    """An account without a state was never opened."""
    if account.status != "stopped":
        said = f"{account.account_id} is {account.status}: set its status to stopped before"
        return Refused(ConfigRefusal.IN_USE, said, "status")
    if state is not None and (state.positions or state.open_orders):
        said = (
            f"{account.account_id} has {len(state.positions)} positions and {len(state.open_orders)} orders open: "
            "flatten it before"
        )
        return Refused(ConfigRefusal.IN_USE, said)
    return None


def _switched(there: Account, seen: str, fields: Mapping[str, object]) -> Refused | None:
    """Somebody else gave the account another strategy since this change, which gives it one, was decided on."""
    if "strategy_id" not in fields or there.strategy_id in (seen, fields["strategy_id"]):
        return None
    said = f"{there.account_id} was given the strategy {there.strategy_id} at this moment: look at it and decide again"
    return Refused(ConfigRefusal.CONTESTED, said, "strategy_id")


def _fixed(now: Account, made: Account) -> Refused | None:
    for name in (*FIXED, *OURS):
        if getattr(now, name) != getattr(made, name):
            said = f"{name} cannot be changed" + (": make another account" if name in FIXED else "")
            return Refused(ConfigRefusal.INVALID, said, name)
    return None
