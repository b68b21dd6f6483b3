"""Live copies of configuration and account states."""

from collections.abc import Callable, Mapping

from libs.runtime.bus import Bus
from libs.runtime.mirror import KvMirror, Misplaced
from libs.schemas.account import Account, AccountState
from libs.schemas.experiment import Experiment
from libs.schemas.kinds import ConfigValue, kind_at
from libs.schemas.models import MODELS_KEY, ModelsConfig
from libs.schemas.names import is_key
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import KV_CONFIG, KV_STATE, account_key, strategy_key, venue_key
from libs.schemas.venue import ANY_SYMBOL, VenueSymbol


def _config(key: str, data: bytes) -> ConfigValue | None:
    kind = kind_at(key)
    if kind is None:
        return None
    value: ConfigValue = kind.model.model_validate_json(data)
    if key not in kind.keys(value):
        raise Misplaced(f"it names itself {kind.key(value)}: write it under that key, or correct its id")
    return value


class ConfigMirror:
    """Accounts, strategies, venue symbols, experiments and the models that decide, as configured now."""

    def __init__(self, bus: Bus, *, on_change: Callable[[str, ConfigValue | None], None] | None = None) -> None:
        self._mirror: KvMirror[ConfigValue | None] = KvMirror(bus, KV_CONFIG.name, _config, on_change=on_change)
        self._unlisted: dict[tuple[str, str], tuple[VenueSymbol, VenueSymbol]] = {}

    async def start(self) -> None:
        await self._mirror.start()

    async def stop(self) -> None:
        await self._mirror.stop()

    @property
    def accounts(self) -> dict[str, Account]:
        return {v.account_id: v for v in self._mirror.items().values() if isinstance(v, Account)}

    @property
    def strategies(self) -> dict[str, TradingStrategy]:
        """The active version of each strategy."""
        found = self._mirror.items().items()
        return {v.strategy_id: v for k, v in found if isinstance(v, TradingStrategy) and k.count(".") == 1}

    @property
    def venue_symbols(self) -> dict[tuple[str, str], VenueSymbol]:
        return {(v.venue, v.symbol): v for v in self._mirror.items().values() if isinstance(v, VenueSymbol)}

    @property
    def experiments(self) -> dict[str, Experiment]:
        return {v.name: v for v in self._mirror.items().values() if isinstance(v, Experiment)}

    @property
    def models(self) -> ModelsConfig | None:
        """The chain of models that was switched to while running, if any."""
        value = self._mirror.get(MODELS_KEY)
        return value if isinstance(value, ModelsConfig) else None

    def account(self, account_id: str) -> Account | None:
        value = self._mirror.get(account_key(account_id)) if is_key(account_id) else None
        return value if isinstance(value, Account) else None

    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None:
        value = self._mirror.get(strategy_key(strategy_id, version)) if is_key(strategy_id) else None
        return value if isinstance(value, TradingStrategy) else None

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        """The rules of a symbol; where it has none of its own, those that the venue has for any."""
        value = self._mirror.get(venue_key(venue, symbol))
        if isinstance(value, VenueSymbol):
            return value
        shared = self._mirror.get(venue_key(venue, ANY_SYMBOL))
        if not isinstance(shared, VenueSymbol):
            return None
        known = self._unlisted.get((venue, symbol))
        if known is None or known[0] is not shared:
            known = self._unlisted[venue, symbol] = shared, shared.model_copy(update={"symbol": symbol})
        return known[1]


def _state(key: str, data: bytes) -> AccountState:
    state = AccountState.model_validate_json(data)
    if state.account_id != key:
        raise Misplaced(f"it is the state of {state.account_id}: another account must not be told it")
    return state


class StateMirror:
    """Last known state of each account."""

    def __init__(self, bus: Bus, *, on_change: Callable[[str, AccountState | None], None] | None = None) -> None:
        self._mirror: KvMirror[AccountState] = KvMirror(bus, KV_STATE.name, _state, on_change=on_change)

    async def start(self) -> None:
        await self._mirror.start()

    async def stop(self) -> None:
        await self._mirror.stop()

    def get(self, account_id: str) -> AccountState | None:
        return self._mirror.get(account_id)

    def items(self) -> Mapping[str, AccountState]:
        return self._mirror.items()


class MirroredAccounts:
    """Accounts with their states and strategies: both copies as one."""

    def __init__(self, config: ConfigMirror, states: StateMirror) -> None:
        self._config = config
        self._states = states

    def account(self, account_id: str) -> Account | None:
        return self._config.account(account_id)

    def accounts(self) -> list[Account]:
        return list(self._config.accounts.values())

    def state(self, account_id: str) -> AccountState | None:
        return self._states.get(account_id)

    def strategy(self, strategy_id: str) -> TradingStrategy | None:
        return self._config.strategy(strategy_id)

    def strategies(self) -> list[TradingStrategy]:
        return list(self._config.strategies.values())

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        return self._config.venue_symbol(venue, symbol)

    def models(self) -> ModelsConfig | None:
        return self._config.models
