"""Strategies: checked, versioned, changed by compare-and-set. Command and API alike.

The active version stands under `strategy.<id>`; it alone decides what holds. `strategy.<id>.<version>` are copies that
stay readable: each is written after its version became the active one, and before the next one does.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from libs.configuration.configuration import (
    By,
    ConfigEntry,
    ConfigRefusal,
    Configuration,
    Refused,
    Written,
    no_such,
    parsed,
    reserved,
    updated,
)
from libs.configuration.templates import TemplateFailed
from libs.runtime.errors import Conflict
from libs.schemas.account import Account, AccountState
from libs.schemas.context import TradingContext
from libs.schemas.kinds import C
from libs.schemas.names import is_key, names_one
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import strategy_key, venue_key
from libs.schemas.venue import VenueSymbol
from libs.strategies.checks import conflicts, problems
from libs.strategies.sample import samples
from libs.strategies.variables import template_variables

KEEP = frozenset({"strategy_id", "version", "schema_version"})


class Engine(Protocol):
    def render(self, template: str, variables: Mapping[str, Any]) -> str: ...


class Preview:
    """What can be said of a strategy without the bus."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check(self, strategy: TradingStrategy) -> tuple[Refused, ...]:
        """Everything that is wrong with a strategy, its template included."""
        found = [Refused(ConfigRefusal.INVALID, one.message, one.field) for one in problems(strategy)]
        try:
            for context in samples(strategy):
                self.render(strategy, context)
        except TemplateFailed as error:
            found.append(Refused(ConfigRefusal.TEMPLATE, str(error), "prompt_template"))
        return tuple(found)

    def render(self, strategy: TradingStrategy, context: TradingContext) -> str:
        """The template as a model would be shown it in `context`. Raises TemplateFailed."""
        account = context.account_state.model_copy(update={"active_strategy": strategy})
        shown = context.model_copy(update={"account_state": account})
        return self._engine.render(strategy.prompt_template, template_variables(shown))


class Strategies(Preview):
    """Refusals are values. Raises Unavailable while NATS is away."""

    def __init__(self, configuration: Configuration, engine: Engine) -> None:
        super().__init__(engine)
        self._configuration = configuration

    async def get(self, strategy_id: str, version: int | None = None) -> ConfigEntry[TradingStrategy] | Refused:
        """The active version, or another one; of a deleted strategy its versions alone are left."""
        if not is_key(strategy_id):
            return no_such("strategy", strategy_id)
        found = await self._configuration.read(TradingStrategy, strategy_key(strategy_id))
        if version is None or (isinstance(found, ConfigEntry) and found.body.version == version):
            return found
        return await self._configuration.read(TradingStrategy, strategy_key(strategy_id, version))

    async def maker(self, strategy_id: str) -> By | None:
        """Who wrote the oldest write that is kept of a strategy that stands: its maker, unless it changed 64 times."""
        writes = await self._configuration.store.history(strategy_key(strategy_id)) if is_key(strategy_id) else []
        since = max((place for place, write in enumerate(writes) if write.value is None), default=-1)
        return writes[since + 1].by if len(writes) > since + 1 else None

    async def versions(self, strategy_id: str) -> list[TradingStrategy]:
        """All that were ever active, newest first."""
        if not is_key(strategy_id):
            return []
        found = await self._configuration.store.present(f"{strategy_key(strategy_id)}.")
        bodies = [parsed(TradingStrategy, one.value) for one in found.values() if one.value is not None]
        known = {body.version: body for body in bodies if isinstance(body, TradingStrategy)}
        active = await self.get(strategy_id)
        if isinstance(active, ConfigEntry):
            known[active.body.version] = active.body
        return [known[version] for version in sorted(known, reverse=True)]

    async def add(self, strategy: TradingStrategy, by: By) -> ConfigEntry[TradingStrategy] | Refused:
        if said := reserved(strategy.strategy_id):
            return Refused(ConfigRefusal.INVALID, said, "strategy_id")
        if wrong := self.check(strategy):
            return _together(wrong)
        made = await self._configuration.create(strategy_key(strategy.strategy_id), _because(strategy, by), by)
        return await self._copied(made, by)

    async def change(
        self, strategy_id: str, fields: Mapping[str, object], by: By, *, version: int | None = None
    ) -> ConfigEntry[TradingStrategy] | Refused:
        """A new version with other fields; the id and the version cannot be set. Old ones stay as they were."""
        given = {name: value for name, value in fields.items() if name not in KEEP}

        def change(now: TradingStrategy) -> TradingStrategy | Refused:
            made = updated(now, given)
            if isinstance(made, Refused) or made == now:
                return made
            wrong = self.check(made)
            return _together(wrong) if wrong else _because(made, by)

        before = await self.get(strategy_id)
        if isinstance(before, Refused):
            return before
        await self._copied(before, by)
        key = strategy_key(before.body.strategy_id)
        made = await self._configuration.change(TradingStrategy, key, change, by, version=version)
        return await self._copied(made, by)

    async def replace(self, strategy: TradingStrategy, by: By) -> ConfigEntry[TradingStrategy] | Refused:
        """A new version that is this one in every field."""
        return await self.change(strategy.strategy_id, strategy.model_dump(), by)

    async def delete(self, strategy_id: str, by: By, *, version: int | None = None) -> Refused | None:
        """Its versions stay readable. Looks for accounts again afterwards, as `Accounts.change` looks for the strategy:
        of two that race, one notices the other, and a strategy in use comes back."""
        found = await self.get(strategy_id)
        if isinstance(found, Refused):
            return found
        if version is not None and found.body.version != version:
            said = f"{strategy_id} is at version {found.body.version}, not {version}: look at it and decide again"
            return Refused(ConfigRefusal.VERSION, said, "version")
        if refused := await self._in_use(strategy_id):
            return refused
        await self._copied(found, by)
        if not await self._configuration.remove(strategy_key(found.body.strategy_id), by, found.revision):
            return Refused(ConfigRefusal.CONTESTED, f"{strategy_id} was changed at this moment: look at it again")
        refused = await self._in_use(strategy_id)
        if refused is not None:
            back = By(by.who, f"undone: {refused.message}")
            await self._copied(
                await self._configuration.create(strategy_key(found.body.strategy_id), found.body, back), back
            )
        return refused

    async def fit(self, account: Account, strategy_id: str, state: AccountState | None) -> tuple[str, ...] | Refused:
        """Remarks on an assignment, or why it cannot be made."""
        strategy = await self.get(strategy_id)
        if isinstance(strategy, Refused):
            return replace(strategy, field="strategy_id")
        place = venue_key(account.venue, "")
        known = await self._configuration.store.present(place) if names_one(place.removesuffix(".")) else {}
        rules = {one.symbol: one for one in _all(VenueSymbol, known)}
        found = conflicts(strategy.body, account, state, rules)
        blocking = [one.message for one in found if one.blocking]
        if blocking:
            return Refused(
                ConfigRefusal.UNFIT, f"{strategy_id} does not fit {account.account_id}: {'; '.join(blocking)}"
            )
        return tuple(one.message for one in found)

    async def _in_use(self, strategy_id: str) -> Refused | None:
        accounts = _all(Account, await self._configuration.store.present("account."))
        users = sorted(one.account_id for one in accounts if one.strategy_id == strategy_id)
        if not users:
            return None
        shown = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
        said = f"{strategy_id} is the strategy of {shown}: assign another one first"
        return Refused(ConfigRefusal.IN_USE, said, "strategy_id")

    async def _copied(
        self, made: ConfigEntry[TradingStrategy] | Refused, by: By
    ) -> ConfigEntry[TradingStrategy] | Refused:
        """Keeps the copy of an active version; one that is there already is the same."""
        if isinstance(made, ConfigEntry):
            try:
                await self._configuration.put(strategy_key(made.body.strategy_id, made.body.version), made.body, by, 0)
            except Conflict:
                return made
        return made


def assignments(writes: list[Written]) -> list[tuple[datetime, By, str, int]]:
    """When an account got which strategy, by whom and why, newest first, with its version; from its history."""
    found: list[tuple[datetime, By, str, int]] = []
    for one in writes:
        account = parsed(Account, one.value) if one.value is not None else None
        if isinstance(account, Account) and (not found or found[-1][2] != account.strategy_id):
            found.append((one.at, one.by, account.strategy_id, account.version))
    return found[::-1]


def _all(kind: type[C], found: Mapping[str, Written]) -> list[C]:
    bodies = [parsed(kind, one.value) for one in found.values() if one.value is not None]
    return [body for body in bodies if not isinstance(body, Refused)]


def _because(strategy: TradingStrategy, by: By) -> TradingStrategy:
    return strategy.model_copy(update={"changed_because": by.why[:500] or None})


def _together(wrong: tuple[Refused, ...]) -> Refused:
    said = "; ".join(f"{one.field}: {one.message}" for one in wrong)
    return Refused(wrong[0].why, said, wrong[0].field)
